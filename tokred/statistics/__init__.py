"""Statistics of scores and of metrics' values: ranks of methods, intervals of means, correlations."""
