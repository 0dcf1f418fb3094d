"""TensorFlow Serving's metrics, counted and shown to Prometheus."""
