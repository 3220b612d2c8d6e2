"""The peer-to-peer network over py-libp2p, and one in memory for tests, behind ``ports.network``."""
