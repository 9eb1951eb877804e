"""Comparisons: from patterns, features and scores of runs to tidy tables of pairs (paper section 5).

Each module compares runs along one axis: its function takes the files of one slice of the study, and returns
rows.
"""
