"""What tokred claims about speed, memory and storage, measured: `python -m benchmarks [names]`.

A claim about speed is a ratio between two ways to compute the same values, measured side by side in one run
on one core. Every benchmark is one file, one line of `benchmarks.registry`, and a few rows of
`benchmarks/results/`.
"""
