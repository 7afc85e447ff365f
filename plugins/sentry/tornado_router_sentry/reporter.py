"""Turns a failed call into Sentry's event: https://develop.sentry.dev/sdk/data-model/event-payloads/."""

from __future__ import annotations

import atexit
import datetime
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

import sentry_sdk
from sentry_sdk.utils import Dsn

from tornado_router import __version__
from tornado_router.hookspecs import RequestFinished

if TYPE_CHECKING:
    from sentry_sdk.types import Event, Hint

FLUSH_SECONDS = 2.0

RELEASE = f"tornado-llm-router@{__version__}"
"""The SDK would otherwise take the commit of the repository that the router is started in."""


class Reporter:
    """Sends failed calls to Sentry, on a thread of the SDK's own.

    It has a client of its own: nothing is patched, and nothing else in the process is reported.
    The client is made for the first report, so commands such as `check` and processes that serve
    nothing have none.

    Args:
        dsn: where to.
        release: what Sentry calls this version of the router.
        sample_rate: part of the reports that are sent.

    Raises:
        ValueError: a value cannot be used.
    """

    def __init__(self, dsn: str, release: str = RELEASE, sample_rate: float = 1.0) -> None:
        Dsn(dsn)
        if not 0 <= sample_rate <= 1:
            raise ValueError("SENTRY_SAMPLE_RATE must be between 0 and 1")
        self._options: dict[str, Any] = {
            "dsn": dsn,
            "release": release,
            "sample_rate": sample_rate,
        }

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Reporter:
        """The reporter that the environment asks for.

        Raises:
            KeyError: it asks for none.
            ValueError: a value cannot be used; so the plugin is reported as broken.
        """
        return cls(
            environ["SENTRY_DSN"],
            environ.get("SENTRY_RELEASE") or RELEASE,
            float(environ.get("SENTRY_SAMPLE_RATE") or 1.0),
        )

    def report(self, event: RequestFinished) -> None:
        """Reports a call; returns at once."""
        self._scope.client.capture_event(make_event(event), scope=self._scope)

    @cached_property
    def _scope(self) -> sentry_sdk.Scope:
        client = sentry_sdk.Client(
            default_integrations=False,
            auto_enabling_integrations=False,
            include_local_variables=False,
            include_source_context=False,
            before_send=_without_host,
            **self._options,
        )
        atexit.register(client.close, timeout=FLUSH_SECONDS)  # waits for what is on its way
        return sentry_sdk.Scope(client=client)


def _without_host(event: Event, hint: Hint) -> Event:
    """The SDK adds the name of this host, regardless of its options."""
    event.pop("server_name", None)
    return event


def make_event(event: RequestFinished) -> Event:
    """Sentry's event of a failed call."""
    provider = event.provider or "no provider"
    model = event.target_model or event.model
    code = event.error_code or str(event.status)
    message, fingerprint = f"{code}: {provider}, {model}", [provider, model, code]
    if event.internal_error:  # which no provider has to do with
        message, fingerprint = event.internal_error, [event.internal_error]
    extra: dict[str, Any] = {
        "request_id": event.request_id,
        "call_id": event.call_id,
        "trace_id": event.trace_id,
        "duration_seconds": event.duration,
        "first_chunk_seconds": event.first_chunk,
        "completion_tokens": event.completion_tokens,
    }
    return {
        "level": "error",
        "logger": "tornado_router",
        "message": message,
        "timestamp": datetime.datetime.fromtimestamp(event.finished_at, datetime.UTC),
        "transaction": event.endpoint,
        "fingerprint": fingerprint,
        "user": {"id": str(event.user_id)},
        "tags": {
            "provider": provider,
            "model": event.model,
            "target_model": event.target_model or "",
            "endpoint": event.endpoint,
            "status": str(event.status),
            "error_code": code,
            "stream": str(event.stream).lower(),
        },
        "extra": extra,
    }
