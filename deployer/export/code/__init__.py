"""What the user's own code makes: models, modules, functions, Estimators, signatures."""
