"""The record of a call, and the public event that is made of it."""

from decimal import Decimal

from tornado_router.hookspecs import RequestFinished
from tornado_router.ledger.record import event_of
from tornado_router.usage import QUANTITIES

from ..finished import FINISHED, finished


def test_a_flat_record_has_every_value_by_its_name():
    flat = finished(usage_estimated=True, uncharged=Decimal("0.5"), prices="{}").flat()
    assert set(FINISHED._fields) - {"usage", "charge"} < set(flat)
    assert [flat[name] for name in QUANTITIES] == [11, 7, 3, 4, 2]
    assert flat["usage_estimated"] is True
    assert (flat["cost"], flat["uncharged"]) == (Decimal("0.000000025"), Decimal("0.5"))
    assert flat["prices"] == "{}"


def test_the_event_of_a_call_has_its_values():
    record = finished(7, cached_tokens=5, trace_id="ab")
    event, flat = event_of(record), record.flat()
    assert isinstance(event, RequestFinished)
    assert event._asdict() == {name: flat[name] for name in RequestFinished._fields}
    assert (event.call_id, event.cached_tokens, event.trace_id) == ("req_7", 5, "ab")
    assert (event.cost, event.uncharged, event.prices) == (Decimal("0.000000025"), 0, None)
