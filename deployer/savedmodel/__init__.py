"""Read SavedModels without TensorFlow: signatures, ops, tensors, differences."""
