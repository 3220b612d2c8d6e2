"""Putting parts together."""
