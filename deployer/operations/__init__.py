"""The commands as functions, one module each.

An operation takes plain values, returns a typed result, reports progress to a callback, and never prints.
"""
