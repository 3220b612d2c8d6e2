"""Whole networks: node processes, a real chain, real peers."""
