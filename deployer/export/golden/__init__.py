"""Questions and TensorFlow's own answers to them, kept beside a version; some warm the server up."""
