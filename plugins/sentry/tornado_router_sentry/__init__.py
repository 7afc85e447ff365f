"""Reports calls that failed to Sentry."""

from __future__ import annotations

import os

from tornado_router.hookspecs import RequestFinished
from tornado_router.provider import hookimpl
from tornado_router_sentry.reporter import Reporter

TORNADO_ROUTER_API = 1

_reporter = Reporter.from_environment(os.environ)


@hookimpl
def request_finished(event: RequestFinished) -> None:
    """Reports a call whose failure was not the client's doing."""
    if _reporter and event.status >= 500:
        _reporter.report(event)
