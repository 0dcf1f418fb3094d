"""Docker Engines on other machines: the connection, and the files and ports of their machine.

One container per command, the helper, does what needs the engine's machine. It ends with the command.
"""
