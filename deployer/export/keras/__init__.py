"""Keras models, from a file or from the user's code."""
