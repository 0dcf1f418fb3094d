"""What tests share: running the command line, stores made once, and looking at what is left behind."""
