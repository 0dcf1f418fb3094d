"""From a trained TensorFlow model to a proven TensorFlow Serving endpoint."""
