"""Studies: their configuration, and the runs, hyperparameters and labels that derive from it."""
