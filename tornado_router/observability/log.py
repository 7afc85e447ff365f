"""Where log lines go: messages through loguru, and one line for each request in batches.

Building a line costs loguru 23 us on the loop; a router has one line for each request, so those
are formatted and written by a thread. Nothing here ever sees a prompt, a key or a header.
"""

from __future__ import annotations

import datetime
import inspect
import logging
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple, TextIO

import orjson
from loguru import logger

from tornado_router.background.batch import STOP_SECONDS, BatchThread
from tornado_router.config.worker_variables import NUMBER_VARIABLE
from tornado_router.observability.known_secrets import HidingStream, KnownSecrets
from tornado_router.observability.redaction import redact_forms
from tornado_router.observability.text import valid_texts

if TYPE_CHECKING:
    from loguru import Message

    from tornado_router.config.options import LogOptions
    from tornado_router.ledger.record import CallRecord

FLUSH_SECONDS = 0.2
_TIMES = ("duration_ms", "first_chunk_ms", "overhead_ms")
WAITING_LINES = 20_000
"""Lines beyond these are dropped when standard error is not read, or not fast enough."""


class PlainRequest(NamedTuple):
    """A request that was not a call of a model: a list of models, a refusal, a wrong path.

    Attributes:
        user_id: of its API key or session; None without either.
    """

    request_id: str
    method: str
    path: str
    status: int
    finished_at: float
    duration: float
    key_name: str | None = None
    error_code: str | None = None
    client_address: str = ""
    user_id: int | None = None
    trace_id: str | None = None


def setup(
    options: LogOptions, stream: TextIO = sys.stderr, secrets: KnownSecrets | None = None
) -> None:
    """Sends every log message of this process to `stream`, as the options say.

    Tornado's, asyncio's and every library's own loggers end here too.

    Args:
        options: `[log]`.
        stream: takes the lines.
        secrets: that are in none of them.
    """
    hiding = HidingStream(stream, secrets or KnownSecrets())
    logger.remove()
    level = options.level.upper()
    worker = worker_number()
    # Without `diagnose=False`, loguru would write the values of variables under a traceback.
    if is_json(options, stream):
        logger.add(_json_sink(hiding, worker), level=level, format="{message}", diagnose=False)
    else:
        logger.add(
            hiding,
            level=level,
            format="<dim>{time:HH:mm:ss.SSS}</dim> <level>{level: <7}</level> "
            f"{_prefix(worker)}{{message}}",
            diagnose=False,
            backtrace=False,
        )
    logging.basicConfig(handlers=[_ToLoguru()], level=level, force=True)
    logging.captureWarnings(True)
    logging.getLogger("tornado.general").addFilter(_calm_handshakes)
    # Peewee logs each statement with its values, prompts and password hashes among them.
    logging.getLogger("peewee").setLevel(logging.WARNING)


def worker_number() -> int | None:
    """Which of several workers this process is; None if it is none."""
    number = os.environ.get(NUMBER_VARIABLE)
    return None if number is None else int(number)


def _prefix(worker: int | None) -> str:
    return "" if worker is None else f"worker {worker}: "


def is_json(options: LogOptions, stream: TextIO) -> bool:
    """Whether lines are for machines."""
    if options.format == "auto":
        return not stream.isatty()
    return options.format == "json"


class AccessLog:
    """Writes one line for each request.

    Args:
        options: `[log]`.
        stream: takes the lines.
        secrets: that are in none of them.
    """

    def __init__(
        self,
        options: LogOptions,
        stream: TextIO = sys.stderr,
        secrets: KnownSecrets | None = None,
    ) -> None:
        self._stream = HidingStream(stream, secrets or KnownSecrets())
        self._format = _json_line if is_json(options, stream) else _text_line
        self._worker = worker_number()
        self._thread = BatchThread["CallRecord | PlainRequest"](
            "access log", self._write, interval=FLUSH_SECONDS, most=WAITING_LINES
        )
        self._enabled = options.level in ("debug", "info")

    def add(self, request: CallRecord | PlainRequest) -> None:
        """Leaves a finished request to be written."""
        if self._enabled:
            self._thread.add(request)

    def close(self, seconds: float = STOP_SECONDS) -> None:
        """Writes what is left, unless that takes longer than so many seconds."""
        self._thread.close(seconds)

    def _write(self, batch: Sequence[CallRecord | PlainRequest]) -> None:
        text = "".join(self._format(request, self._worker) for request in batch)
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError):
            pass  # standard error is closed; the router serves on


def _json_line(request: CallRecord | PlainRequest, worker: int | None = None) -> str:
    record: dict[str, Any] = {"level": "info", "message": "request", **_of_worker(worker)}
    if isinstance(request, PlainRequest):
        line = {**request._asdict(), "path": redact_forms(request.path)}
        del line["finished_at"], line["duration"]
        record |= line
        seconds: tuple[float | None, ...] = (request.duration,)
    else:
        record.update(request.logged())
        record["prices"] = orjson.Fragment(request.charge.prices or "null")
        seconds = (request.duration, request.first_chunk, request.overhead)
    record["time"] = datetime.datetime.fromtimestamp(request.finished_at, datetime.UTC)
    for name, value in zip(_TIMES, seconds, strict=False):
        if value is not None:
            record[name] = round(value * 1000, 1)
    try:
        return orjson.dumps(record).decode() + "\n"
    except TypeError:  # half a surrogate pair, which a plugin's error may hold
        record = {name: valid_texts(value) for name, value in record.items()}
        return orjson.dumps(record).decode() + "\n"


def _of_worker(worker: int | None) -> dict[str, int]:
    return {} if worker is None else {"worker": worker}


def _text_line(request: CallRecord | PlainRequest, worker: int | None = None) -> str:
    time = datetime.datetime.fromtimestamp(request.finished_at)
    head = f"{time:%H:%M:%S}.{time.microsecond // 1000:03d} {'INFO': <7} {_prefix(worker)}"
    took = f"{request.duration * 1000:.0f} ms"
    if isinstance(request, PlainRequest):
        path = redact_forms(request.path)
        parts = [f"{request.method} {path}", str(request.status), took]
        if request.user_id is not None and not request.key_name:
            parts.append(f"user {request.user_id}")
    else:
        target = f" -> {request.provider}/{request.target_model}" if request.provider else ""
        if request.cache_hit:
            target = " -> cache"
        usage, cost = request.usage, request.charge.charged
        tokens = f"{usage.prompt_tokens}+{usage.completion_tokens} tokens"
        parts = [request.model + target, str(request.status), took, tokens]
        if cost:
            parts.append(f"${Decimal(cost).scaleb(-9).normalize():f}")
        if request.first_chunk is not None:
            parts.append(f"first chunk {request.first_chunk * 1000:.0f} ms")
    if request.key_name:
        parts.append(f"key {request.key_name}")
    if request.client_address:
        parts.append(f"from {request.client_address}")
    if not isinstance(request, PlainRequest) and request.dropped_params:
        parts.append(f"dropped {' '.join(request.dropped_params)}")
    if request.error_code:
        parts.append(request.error_code)
    if request.trace_id:
        parts.append(f"trace {request.trace_id}")
    return f"{head}{_one_line(', '.join(parts))} {request.request_id}\n"


def _one_line(text: str) -> str:
    """Names come from clients: one that holds a line end must not forge a line."""
    return text if text.isprintable() else text.encode("unicode_escape").decode("ascii")


def _json_sink(stream: HidingStream, worker: int | None) -> Callable[[Message], None]:
    def write(message: Message) -> None:
        record: Mapping[str, Any] = message.record
        line: dict[str, Any] = {
            "time": record["time"].astimezone(datetime.UTC).isoformat(),
            "level": record["level"].name.lower(),
            "message": record["message"],
            **_of_worker(worker),
            **record["extra"],
        }
        if record["exception"]:
            line["exception"] = str(message).removeprefix(record["message"]).strip()
        stream.write(orjson.dumps(line, default=str).decode() + "\n")
        stream.flush()

    return write


def _calm_handshakes(record: logging.LogRecord) -> bool:
    """A handshake that failed is the client's doing: plain HTTP, a scan, a CA that it lacks."""
    if str(record.msg).startswith("SSL Error on") and isinstance(record.args, tuple):
        record.levelno, record.levelname = logging.INFO, "INFO"
        _, peer, error = record.args
        client = peer[0] if isinstance(peer, tuple) else "a client"
        if getattr(error, "reason", None) == "HTTP_REQUEST":
            record.msg, record.args = "%s spoke HTTP to the HTTPS port", (client,)
        else:
            record.msg, record.args = "the TLS handshake of %s failed: %s", (client, error)
    return True


class _ToLoguru(logging.Handler):
    """Hands records of the standard library's logging on (the recipe of loguru's documentation)."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            level: str | int = logger.level(record.levelname).name
        except ValueError:
            level = record.levelno
        frame, depth = inspect.currentframe(), 0
        while frame and (depth == 0 or frame.f_code.co_filename == logging.__file__):
            frame = frame.f_back
            depth += 1
        logger.opt(depth=depth, exception=record.exc_info).log(level, record.getMessage())
