"""Turns a failed call into Sentry's event: https://develop.sentry.dev/sdk/data-model/event-payloads/."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import sentry_sdk

from tornado_router.hookspecs import RequestFinished

if TYPE_CHECKING:
    from sentry_sdk.types import Event

FLUSH_SECONDS = 2.0


class Reporter:
    """Sends failed calls to Sentry, on a thread of the SDK's own.

    It has a client of its own: nothing is patched, and nothing else in the process is reported.

    Args:
        options: for `sentry_sdk.Client`, which reads the rest from the environment.
    """

    def __init__(self, **options: Any) -> None:
        self._client = sentry_sdk.Client(
            default_integrations=False,
            auto_enabling_integrations=False,
            include_local_variables=False,
            include_source_context=False,
            **options,
        )
        self._scope = sentry_sdk.Scope(client=self._client)

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Reporter | None:
        """The reporter that the environment asks for, or None if it asks for none.

        Raises:
            ValueError: a value cannot be used; so the plugin is reported as broken.
        """
        if not environ.get("SENTRY_DSN"):
            return None
        rate = float(environ.get("SENTRY_SAMPLE_RATE") or 1.0)
        if not 0 <= rate <= 1:
            raise ValueError("SENTRY_SAMPLE_RATE must be between 0 and 1")
        return cls(dsn=environ["SENTRY_DSN"], sample_rate=rate)

    def report(self, event: RequestFinished) -> None:
        """Reports a call; returns at once."""
        self._client.capture_event(make_event(event), scope=self._scope)

    def close(self) -> None:
        """Waits a moment for what is on its way."""
        self._client.close(timeout=FLUSH_SECONDS)


def make_event(event: RequestFinished) -> Event:
    """Sentry's event of a failed call."""
    provider = event.provider or "no provider"
    code = event.error_code or str(event.status)
    return {
        "level": "error",
        "logger": "tornado_router",
        "message": f"{code}: {provider}, {event.target_model or event.model}",
        "timestamp": datetime.datetime.fromtimestamp(event.finished_at, datetime.UTC),
        "transaction": event.endpoint,
        "fingerprint": [provider, event.target_model or event.model, code],
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
        "extra": {
            "request_id": event.request_id,
            "call_id": event.call_id,
            "duration_seconds": event.duration,
            "first_chunk_seconds": event.first_chunk,
            "completion_tokens": event.completion_tokens,
        },
    }
