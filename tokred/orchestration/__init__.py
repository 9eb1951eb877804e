"""Execution of a study: plan of its jobs, resources, costs, provenance of code, and how jobs are started."""
