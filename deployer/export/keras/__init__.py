"""Keras files and models, of Keras 3 and of tf_keras."""
