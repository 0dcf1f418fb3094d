"""Batching of concurrent requests (`--enable_batching`)."""
