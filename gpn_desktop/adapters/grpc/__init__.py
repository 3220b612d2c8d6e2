"""The node's door for consumers, by gRPC: the prototype's service and ``gpn.v1``, and a client for both.

This adapter drives the node rather than being driven by it, so it knows the facade and its views, as the
window does, and nothing else of the services. The generated code is in ``pb``; nobody else sees it.
"""
