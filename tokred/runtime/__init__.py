"""Devices and process groups."""
