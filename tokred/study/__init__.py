"""Studies: their configuration, and what follows from it: runs, hyperparameters, what figures show."""
