"""Rules about secrets: every value of an option that is `writeOnly`."""

from __future__ import annotations

import base64
import logging
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import quote

import pytest
from loguru import logger

from tornado_router.errors import ApiError
from tornado_router.provider import Provider, UpstreamResponse
from tornado_router.testing import corpus
from tornado_router.testing.recordings import CHAT, DEFAULT_REQUESTS
from tornado_router.testing.replay import Player, sent_body
from tornado_router.testing.rules.base import Rules, no_faults, secrets, serves
from tornado_router.testing.rules.failures import ERROR_BODIES, STATUSES, UNREADABLE, _response


class SecrecyRules(Rules):
    """A credential goes into headers, and nowhere else."""

    def test_secret_travels_in_headers_only(self, player: Player) -> None:
        """No secret is in the URL or the body of a request.

        URLs end in the logs of every proxy on the way. A vendor that takes its key as a query
        parameter nearly always takes a header, too.
        """
        _has_secrets(player.provider)
        faults = []
        for label, _, request in self.built(player):
            if _leaks(player.provider, request.url):
                faults.append(f"{label}: the URL holds a secret")
            if _leaks(player.provider, sent_body(request).decode("utf-8", "replace")):
                faults.append(f"{label}: the body holds a secret")
        no_faults(faults)

    def test_secret_is_in_no_error(self, player: Player) -> None:
        """No error holds a secret, in its message, its fields, or its cause.

        Clients read the message, and logs the rest. Name the provider, not its table.
        """
        _has_secrets(player.provider)
        no_faults(
            f"{label}: {where}"
            for label, error in self._errors(player)
            for where, text in _texts_of(error)
            if _leaks(player.provider, text)
        )

    def test_secret_is_in_no_repr(self, player: Player, provider: Provider) -> None:
        """`repr` and `str` of the provider and its translators hold no secret.

        They end in tracebacks and debuggers. A dataclass shows its fields: `field(repr=False)`.
        """
        _has_secrets(provider)
        shown = [provider, *provider.endpoints.values()]
        call = self.call(DEFAULT_REQUESTS[CHAT], stream=True)
        for translator in provider.endpoints.values():
            with suppress(Exception):  # not every endpoint can be streamed
                shown.append(translator.parse_stream(call))
        no_faults(
            f"{type(item).__name__} shows a secret"
            for item in shown
            if _leaks(provider, f"{item!r} {item}")
        )

    def test_secret_is_in_no_log(self, player: Player, capfd: pytest.CaptureFixture[str]) -> None:
        """No secret is logged or printed, in no case.

        At any level, by any logger, on standard output or standard error.
        """
        _has_secrets(player.provider)
        with _collected_log() as logged:
            for recording in self.load_recordings():
                if player.provider.supports(recording.endpoint):
                    player.failure(self.recorded_call(recording), recording.response)
            list(self._errors(player))
        printed = "".join(capfd.readouterr())
        no_faults(
            f"{where}: a secret is revealed"
            for where, text in (("a log", "\n".join(logged)), ("the output", printed))
            if _leaks(player.provider, text)
        )

    def _errors(self, player: Player) -> Iterator[tuple[str, Exception]]:
        """Errors of every kind, each with a label."""
        serves(player.provider)
        for stream in (False, True):
            for label, response in _failing_responses():
                if player.in_process:
                    continue
                call = self.call(DEFAULT_REQUESTS[CHAT], stream=stream)
                error = player.failure(call, response)
                if error:
                    yield label, error
        for sample in corpus.ODD:
            try:
                player.request(self.call(sample.body))
            except Exception as error:  # noqa: BLE001 - no error may hold a secret
                yield sample.label, error


def _failing_responses() -> Iterator[tuple[str, UpstreamResponse]]:
    for status in STATUSES:
        for label, body in ERROR_BODIES.items():
            yield f"{status} with {label}", _response(status, body)
    for label, body in UNREADABLE.items():
        yield f"200 with {label}", _response(200, body)


def _has_secrets(provider: Provider) -> None:
    if not secrets(provider):
        pytest.skip("no option is a secret (`writeOnly`)")


def _leaks(provider: Provider, text: str) -> bool:
    return any(
        form in text
        for secret in secrets(provider)
        for form in (secret, quote(secret, safe=""), base64.b64encode(secret.encode()).decode())
    )


def _texts_of(error: Exception) -> Iterator[tuple[str, str]]:
    if isinstance(error, ApiError):
        yield "its message or a field of it", str(error.body())
        yield "its headers", str(error.headers)
    yield "its traceback", "".join(traceback.format_exception(error))
    yield "its repr", repr(error)


@contextmanager
def _collected_log() -> Iterator[list[str]]:
    """Collects everything that is logged, with the tracebacks."""
    logged: list[str] = []

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            logged.append(self.format(record))

    root, collector = logging.getLogger(), Collector(level=1)
    level = root.level
    root.addHandler(collector)
    root.setLevel(1)
    sink = logger.add(logged.append, level=0, format="{message}", diagnose=True)
    try:
        yield logged
    finally:
        logger.remove(sink)
        root.setLevel(level)
        root.removeHandler(collector)
        sys.stdout.flush()
