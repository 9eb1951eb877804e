"""Benchmarks of speed, memory and storage: `python -m benchmarks [names]`.

Speed is a ratio between two implementations that compute the same values, measured alternately in one process
on one core. Every benchmark is one file, one line of `benchmarks.registry`, and a few rows of
`benchmarks/results/`.
"""
