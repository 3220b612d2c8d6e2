"""The protocol's rules, pure: no clock, randomness, sockets, files or event loops.

Everything here is a function of its arguments, so thousands of nodes can be simulated in one process and
each rule has one home. Time comes in as integers (milliseconds of chain time), chance as hashes.
"""
