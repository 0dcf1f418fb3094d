"""The tool's own version, in a module without imports: the server tells it too, and imports nothing of the tool."""

__version__ = "0.1.0"
