"""Values: what was proven, and what each verb returns. The command line prints these; the Python API hands them out."""
