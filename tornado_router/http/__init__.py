"""What clients reach: the route table, the handlers, TLS and what is said of the API.

HTTP and nothing else: a handler reads a request, calls one service and writes its result.
"""
