"""Reports calls that failed to Sentry."""

from __future__ import annotations

import os

from tornado_router.hookspecs import RequestFinished
from tornado_router.provider import hookimpl

TORNADO_ROUTER_API = 1

if os.environ.get("SENTRY_DSN"):
    # Else neither is Sentry's SDK loaded, 4 MB, nor does the router make an event of each call.
    from tornado_router_sentry.reporter import Reporter

    _report = Reporter.from_environment(os.environ).report

    @hookimpl
    def request_finished(event: RequestFinished) -> None:
        """Reports a call whose failure was not the client's doing."""
        if event.status >= 500:
            _report(event)
