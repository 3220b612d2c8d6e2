"""GPN Desktop: the node of a generic proving network, as a desktop application or headless."""

__version__ = "0.1.0"
