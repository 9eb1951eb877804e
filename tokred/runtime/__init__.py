"""Devices, and several processes that work on one training."""
