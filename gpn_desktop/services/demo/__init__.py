"""A whole network on this machine: a local chain, a consumer, operators as processes, faults on request."""
