"""Figures and tables, one module per kind of drawing; `registry` lists them. Nothing here imports torch."""
