"""The chain port: one suite for the ledger in memory and the contract on anvil."""
