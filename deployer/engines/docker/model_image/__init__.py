"""Images with the model inside: their layers and configuration are written here, byte for byte the same each time."""
