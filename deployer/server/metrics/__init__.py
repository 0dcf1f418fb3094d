"""TensorFlow Serving's metrics in Prometheus format."""
