"""The window: shows snapshots of the node and sends commands through its facade; knows no adapter."""
