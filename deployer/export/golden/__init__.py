"""Golden sets: example inputs, the answers of the model and of its source, the warm-up file."""
