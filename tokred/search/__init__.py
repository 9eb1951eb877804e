"""The hyperparameter search: trials, the choice of settings, and the resulting hyperparameters."""
