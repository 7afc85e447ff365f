"""What operators see of the router: logs, metrics, traces, and the redaction that all of them pass.

Nothing here decides anything about a call.
"""
