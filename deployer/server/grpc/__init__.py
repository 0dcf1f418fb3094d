"""The gRPC services, and how their port is handed over."""
