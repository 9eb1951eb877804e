"""Data set adapters, one file each."""
