"""One verb, one file. An operation takes plain values, returns a typed result, reports progress by a callback, and
never prints.
"""
