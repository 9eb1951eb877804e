"""Statistics of scores and of metrics' values: ranks, confidence intervals of means, correlations."""
