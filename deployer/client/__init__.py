"""Speaks to a model server: REST and gRPC."""
