"""The front over llhttp: an `asyncio.Protocol` that drives Tornado's documented delegates.

`front` accepts, `connection` reads requests one at a time by `request_head` and `request_body`,
`exchange` writes a response, `tls_transport` encrypts.
"""
