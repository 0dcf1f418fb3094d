"""The embedded model server: its own program, which speaks TensorFlow Serving's API with its flags."""
