"""Values that operations return: the command line prints them, and the Python API returns them."""
