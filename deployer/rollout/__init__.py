"""From what is desired to what serves: targets, plan, gate, reload, history."""
