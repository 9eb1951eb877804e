"""What the paper finds, as checks that a study either passes or does not."""

#: Tables that the claims read.
TABLES = ("backbones", "datasets", "depth", "fixed", "keep_rates", "proxies", "scores", "summary")
