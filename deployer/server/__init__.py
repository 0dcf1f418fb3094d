"""The embedded model server: a separate program with TensorFlow Serving's API and flags."""
