"""Model servers as child processes of this machine: `engine` is the Engine."""
