"""Metrics, one file each; `registry` describes them. Nothing here imports torch."""
