"""The rollout of a desired state, which the operations share: targets, plan, gate, executor, reload, history."""
