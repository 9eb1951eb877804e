"""The search of hyperparameters: what is tried, how, and what of it is chosen."""
