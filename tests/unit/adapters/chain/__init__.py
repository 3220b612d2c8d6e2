"""What the chain adapter computes without a chain."""
