"""What carries a study out: resources, costs, provenance of code, and how jobs are started."""
