"""A catalogue of what hostile peers do to a node, and a program that does one of it for a while."""
