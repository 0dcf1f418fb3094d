"""What a server is asked to show that it serves the model: golden set, parity, smoke test, traffic."""
