"""Ledgers, and calls for them."""

import orjson

from tornado_router.config.options import LedgerOptions
from tornado_router.ledger import codec
from tornado_router.ledger.record import FLAT_NAMES, RunningCall
from tornado_router.ledger.writer import Ledger

from ..finished import finished


def call(number=1, **fields):
    return finished(number, **{"dropped_params": ("seed",)} | fields)


def begun(number):
    fields = call(number)._asdict()
    return RunningCall(**{name: fields[name] for name in RunningCall._fields})


def flat(record):
    """The values of a call by name, as a journal has them."""
    (_, *values, _) = orjson.loads(codec.encode_finished(record))
    return dict(zip(FLAT_NAMES, values, strict=True))


def open_ledger(storage, **options):
    return Ledger(storage, LedgerOptions(**options), storage.journal)


def write(storage, *calls):
    book = open_ledger(storage)
    for item in calls:
        book.add(item)
    book.close()


def kill(book):
    """Leaves a ledger as `kill -9` does: its files are there, and nobody holds them."""
    book._thread._work = lambda: True
    book._thread.close()
    for segment in book._journal._segments:
        segment.close()
