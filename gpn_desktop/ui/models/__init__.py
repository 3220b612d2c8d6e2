"""Table models over the node's snapshots; they change by differences and never block."""
