"""The record of a call, and the public event that is made of it."""

from decimal import Decimal

import pytest

from tornado_router.hookspecs import RequestFinished
from tornado_router.ledger.record import event_of
from tornado_router.usage import AMOUNTS, QUANTITIES

from ..finished import FINISHED, finished


def test_a_flat_record_has_every_value_by_its_name():
    flat = finished(usage_estimated=True, images=6, uncharged=Decimal("0.5"), prices="{}").flat()
    assert set(FINISHED._fields) - {"usage", "charge"} < set(flat)
    assert [flat[name] for name in QUANTITIES] == [11, 7, 3, 4, 2, 0, 0, 0, 0, 6, 0, 0, 0]
    assert flat["usage_estimated"] is True
    assert (flat["cost"], flat["uncharged"]) == (Decimal("0.000000025"), Decimal("0.5"))
    assert flat["prices"] == "{}"


def test_the_event_of_a_call_has_its_values():
    record = finished(7, cached_tokens=5, seconds=1.5, trace_id="ab")
    event, flat = event_of(record), record.flat()
    assert isinstance(event, RequestFinished)
    assert event._asdict() == {name: flat[name] for name in RequestFinished._fields}
    assert (event.call_id, event.cached_tokens, event.trace_id) == ("req_7", 5, "ab")
    assert (event.seconds, event.searches) == (1.5, 0)
    assert (event.cost, event.uncharged, event.prices) == (Decimal("0.000000025"), 0, None)


@pytest.mark.parametrize("amount", ["prompt_tokens", "completion_tokens", *AMOUNTS])
def test_what_was_served_without_a_price_is_unpriced_whatever_it_is_measured_in(amount):
    nothing = dict.fromkeys(QUANTITIES, 0)
    assert not finished(**nothing).is_unpriced
    assert finished(**nothing | {amount: 1}).is_unpriced
