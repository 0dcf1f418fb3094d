"""Requests of concurrent clients run together (`--enable_batching`)."""
