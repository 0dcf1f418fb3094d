"""The REST API: paths, JSON in TensorFlow Serving's options, and what each call answers."""
