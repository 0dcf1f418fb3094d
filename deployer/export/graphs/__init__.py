"""TensorFlow 1: frozen graphs, checkpoints with their graph, sessions."""
