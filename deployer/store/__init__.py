"""Model versions on disk: staged, renamed into place, described by a manifest."""
