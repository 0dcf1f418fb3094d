"""Sources in the user's own code: models, modules, functions, Estimators, signatures."""
