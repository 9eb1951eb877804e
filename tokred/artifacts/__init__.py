"""Figures and tables of the paper, one file each; `registry` describes them. Nothing here imports torch."""
