"""The chain: the settlement contract over web3, an in-memory ledger for tests, and a local anvil."""
