"""Metrics of patterns, a module for each kind; `registry` describes them. Nothing here imports torch."""
