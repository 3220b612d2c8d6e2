"""The network on one machine's clock: the real core, many nodes, faults by a seed; decides nothing itself."""
