"""Building blocks that know the theme and nothing of the node."""
