"""Notices of a command: defaults it chose, changes it reverts, requests it routes elsewhere, options without effect."""
