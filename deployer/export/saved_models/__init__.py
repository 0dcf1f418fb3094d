"""SavedModels that exist: folders and archives, kept byte for byte."""
