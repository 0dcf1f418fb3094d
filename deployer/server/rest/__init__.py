"""The REST API: routes, TensorFlow Serving's JSON, and the calls."""
