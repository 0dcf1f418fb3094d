"""The embedded engine: model servers are child processes of this machine."""
