"""Proving on several machines by Dask.distributed: an optional extra, imported only where it is asked for.

Everything between the machines goes over TLS with certificates of the operator's own authority on both sides.
Dask's messages are pickled code: whoever has a certificate can run anything on all of the machines. So a
certificate is only for a machine of the operator's own, and is given out by a code that is good once.
"""
