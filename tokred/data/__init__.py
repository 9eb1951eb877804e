"""Data sets: adapters that turn a source into the one image table that serves them all."""
