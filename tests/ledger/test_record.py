"""The record of a call, and the public event that is made of it."""

from decimal import Decimal

import pytest

from tornado_router.hookspecs import RequestFinished
from tornado_router.ledger.record import event_of
from tornado_router.storage.values import BILLION
from tornado_router.usage import AMOUNTS, COMMON, QUANTITIES

from ..finished import FINISHED, finished

TIMES = {"finished_at", "duration", "first_chunk", "overhead"}


def values_of(record):
    """The values that a record and an event share, by their names."""
    usage, charge = record.usage._asdict(), record.charge._asdict()
    costs = {"cost": charge["charged"] / BILLION, "uncharged": charge["uncharged"] / BILLION}
    estimated = {"usage_estimated": usage["estimated"]}
    return {**record._asdict(), **usage, **charge, **costs, **estimated}


def test_a_line_of_the_log_has_the_values_by_their_names():
    record = finished(usage_estimated=True, images=6, uncharged=Decimal("0.5"), prices="{}")
    line, values = record.logged(), values_of(record)
    assert set(FINISHED._fields) - {"usage", "charge", "internal_error"} - TIMES < set(line)
    costs = {"cost": "0.000000025", "uncharged": "0.5"}
    assert line == {name: values[name] for name in line} | costs
    assert [line[name] for name in QUANTITIES] == [11, 7, 3, 4, 2, 0, 0, 0, 0, 6, 0, 0, 0]


def test_a_line_of_the_log_has_rare_quantities_of_calls_that_have_some():
    line = finished().logged()
    assert [name for name in QUANTITIES if name in line] == list(QUANTITIES[:COMMON])
    assert (line["cost"], line["uncharged"], line["prices"]) == ("0.000000025", "0", None)


def test_the_event_of_a_call_has_its_values():
    record = finished(7, cached_tokens=5, seconds=1.5, trace_id="ab")
    event, values = event_of(record), values_of(record)
    assert isinstance(event, RequestFinished)
    assert event._asdict() == {name: values[name] for name in RequestFinished._fields}
    assert (event.call_id, event.cached_tokens, event.trace_id) == ("req_7", 5, "ab")
    assert (event.seconds, event.searches) == (1.5, 0)
    assert (event.cost, event.uncharged, event.prices) == (Decimal("0.000000025"), 0, None)


@pytest.mark.parametrize("amount", ["prompt_tokens", "completion_tokens", *AMOUNTS])
def test_what_was_served_without_a_price_is_unpriced_whatever_it_is_measured_in(amount):
    nothing = dict.fromkeys(QUANTITIES, 0)
    assert not finished(**nothing).is_unpriced
    assert finished(**nothing | {amount: 1}).is_unpriced
