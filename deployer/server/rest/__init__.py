"""The REST API: paths, JSON in TensorFlow Serving's manner, and what each call answers."""
