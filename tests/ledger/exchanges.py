"""Exchanges, and what becomes of them in the request log."""

import orjson

from tornado_router.config.options import RequestLogOptions
from tornado_router.ledger.exchange import Exchange
from tornado_router.ledger.request_log import RequestRecorder
from tornado_router.storage.tables import RequestLog

from ..finished import finished

SECRET = "sk-abcdefghijklmnopqrstuvwxyz"


def exchange(number=1, **changes):
    response = changes.pop("response", b'{"choices": []}')
    request = changes.pop("request", b'{"model": "m"}')
    response_bytes = changes.pop("response_bytes", len(response))
    fields = {"key_id": 2, "model": "m", "stream": False, "finished_at": 1_795_514_400.0}
    return Exchange(finished(number, **fields | changes), request, response, response_bytes)


def keep(storage, *exchanges, tidy=False, **options):
    """What is in the table after some calls."""
    recorder = RequestRecorder(
        storage, RequestLogOptions(**{"calls": "all", "days": 1e5} | options)
    )
    for item in exchanges:
        recorder.add(item)
    if tidy:
        recorder.tidy()
    recorder.close()
    return storage.call(lambda: list(RequestLog.select().order_by(RequestLog.id)))


def stream(*chunks):
    return b"".join(b"data: %s\n\n" % orjson.dumps(chunk) for chunk in chunks) + b"data: [DONE]\n\n"


def delta(index=0, finish=None, **fields):
    return {"id": "c", "choices": [{"index": index, "delta": fields, "finish_reason": finish}]}
