"""Verify that a server serves the model: golden set, parity, smoke test, traffic."""
