"""Evaluation: from a trained model to its predictions, patterns, features and score on the test split."""
