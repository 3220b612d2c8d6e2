"""The contract's code run in this process: fast enough for thousands of examples of every rule."""
