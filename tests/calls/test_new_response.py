"""Which rows go when new ones are written under their ids."""

import pytest

from tornado_router.calls.new_response import Place, Taken


@pytest.mark.parametrize(
    ("before", "goes"),
    [
        (Place("r", 1, None), True),
        (Place("r", 1, "other"), True),
        (Place("r", 2, "vendor"), True),
        (Place("r", 2, "other"), False),
        (Place("r", 2, None), False),
        (Place("s", 1, "vendor"), False),
    ],
)
def test_a_user_and_a_vendor_have_one_under_an_id(before, goes):
    taken = Taken()
    taken.take(Place("r", 1, "vendor"))
    assert taken.has(before) is goes


def test_what_the_router_keeps_takes_no_place_at_a_vendor():
    taken = Taken()
    taken.take(Place("r", 1, None))
    assert not taken.has(Place("r", 2, None))
    assert not taken.has(Place("r", 2, "vendor"))


def test_one_that_went_itself_took_the_place_of_those_before():
    rows = [(Place("r", 1, None), "a"), (Place("r", 1, "v"), "b"), (Place("r", 2, "v"), "c")]
    assert Taken().newest(rows) == ["c"]
