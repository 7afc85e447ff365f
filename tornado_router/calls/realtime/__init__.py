"""Realtime sessions: a websocket of a client, one of a vendor, and each response a call.

`opening` admits a session and dials a vendor by `dialing`; `session` passes messages on;
`events` knows what they say; `responses` holds the accounts of the responses.
"""
