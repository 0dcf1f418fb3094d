"""Existing SavedModels: directories and archives, stored unchanged."""
