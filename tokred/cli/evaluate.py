"""`tokred evaluate`: what methods cost and save on someone's own model, images and machine."""

from __future__ import annotations

from tokred.cli.options import KeepRates, Methods, Model, keep_rates, method_names


def evaluate(model: Model, methods: Methods, rates: KeepRates = "0.7") -> None:
    """Compare reduced models with the unreduced one on a folder of images."""
    raise ValueError(f"not yet: {model} {method_names(methods)} {keep_rates(rates)}")
