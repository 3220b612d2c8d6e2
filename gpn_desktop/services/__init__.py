"""The node's use cases. They know the ports and the core, never an SDK and never a widget."""
