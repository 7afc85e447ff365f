"""Streams of events that say their type."""

import orjson
import pytest

from tornado_router.endpoints.typed_events import TypedEventsEncoder
from tornado_router.errors import ApiError, ProviderError
from tornado_router.provider import Call, Relayed
from tornado_router.usage import Usage

USAGE = {"input_tokens": 5, "output_tokens": 7, "total_tokens": 12}


class Encoder(TypedEventsEncoder):
    last = ".done"

    def measured(self, reported):
        return reported or Usage(1, estimated=True)


class Named(Encoder):
    names = True

    def count(self):
        return 2


def made(kind=Encoder):
    return kind(Call("id", "x", "m", {}, b"{}", stream=True))


def test_an_event_goes_on_as_it_came():
    raw = b'{"type": "x.delta",  "n": 1}'
    assert made().encode(Relayed(orjson.loads(raw), raw)) == b"data: " + raw + b"\n\n"
    assert made().encode({"type": "x.delta"}) == b'data: {"type":"x.delta"}\n\n'


def test_an_event_of_several_lines_is_written_in_one():
    raw = b'{"type":\n"x"}'
    assert made().encode(Relayed({"type": "x"}, raw)) == b'data: {"type":"x"}\n\n'


def test_the_last_has_the_usage_and_nothing_follows_it():
    encoder = made()
    encoder.encode({"type": "x.delta"})
    assert (encoder.complete, encoder.usage()) == (False, Usage(1, estimated=True))
    encoder.encode({"type": "x.done", "usage": USAGE})
    assert (encoder.complete, encoder.usage(), encoder.finish()) == (True, Usage(5, 7), b"")


def test_there_may_be_several_last_ones_and_names_beside_types():
    encoder = made(Named)
    done = {"type": "x.done", "usage": USAGE}
    assert encoder.encode(done).startswith(b"event: x.done\ndata: {")
    assert not encoder.complete
    encoder.encode(done)
    assert (encoder.complete, encoder.usage()) == (True, Usage(10, 14))


def test_no_name_is_made_of_a_line_end():
    assert made(Named).encode({"type": "x\ndata: y"}).startswith(b"data: ")


def test_a_client_that_wants_the_cost_has_it_in_the_usage():
    encoder = made()
    encoder.cost = lambda usage: usage.completion_tokens / 4
    data = encoder.encode({"type": "x.done", "usage": USAGE})
    assert orjson.loads(data.removeprefix(b"data: "))["usage"] == {**USAGE, "cost": 1.75}


@pytest.mark.parametrize("nonsense", [{}, {"type": 5}, [], None])
def test_what_has_no_type_is_none(nonsense):
    with pytest.raises(ProviderError):
        made().encode(nonsense)


def test_a_failure_is_the_last_event():
    error = ApiError(502, "Oh.")
    assert made().error(error).startswith(b"event: error\ndata: {")
    assert made().cut(error) == made().error(error)
