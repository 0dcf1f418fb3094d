"""A module for each command: a function of the same name, which `@command` makes a command of the application."""
