"""The version, in a module without imports, which the embedded server can import, too."""

__version__ = "0.1.0"
