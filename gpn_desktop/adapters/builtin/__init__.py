"""Stand-ins that need no engine, so that a network can be tried on any machine."""
