"""Measures a model server under load: a generator in processes of its own, figures, and an HTML report."""
