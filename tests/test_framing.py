"""Framings other than server-sent events, cut wherever a network may cut them."""

import struct
import zlib
from contextlib import suppress
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tornado_router import framing
from tornado_router.errors import ProviderError
from tornado_router.framing import AWSEvent, AWSEventStream, Event, JSONLines, RawBytes

from .aws_messages import message


def decode(kind, *pieces):
    """The events of a stream that ended."""
    decoder = kind()
    events = [event for piece in pieces for event in decoder.feed(piece)]
    return [*events, *decoder.finish()]


def in_two(data):
    """Every way to cut data in two."""
    return [(data[:position], data[position:]) for position in range(len(data) + 1)]


def bytewise(data):
    return [data[position : position + 1] for position in range(len(data))]


class TestJSONLines:
    def test_a_line_is_an_event(self):
        assert decode(JSONLines, b'{"a":1}\n{"b":2}\n') == [Event(b'{"a":1}'), Event(b'{"b":2}')]

    def test_blank_lines_and_crlf_are_no_events(self):
        data = b'\n\r\n {"a":1}\r\n\n\t\n{"b":2}\r\n'
        assert decode(JSONLines, data) == [Event(b'{"a":1}'), Event(b'{"b":2}')]

    def test_the_last_line_may_lack_its_end(self):
        assert decode(JSONLines, b"1\n2") == [Event(b"1"), Event(b"2")]

    def test_only_lf_ends_a_line(self):
        data = '{"a":"\u2028\u0085\x0b"}\n'.encode()
        assert decode(JSONLines, data) == [Event(data[:-1])]

    def test_events_are_the_same_wherever_the_bytes_are_cut(self):
        data = '{"a":"é"}\r\n\n{"b":"世界"}\n3'.encode()
        whole = decode(JSONLines, data)
        assert len(whole) == 3
        for pieces in (*in_two(data), bytewise(data)):
            assert decode(JSONLines, *pieces) == whole

    def test_an_event_comes_as_soon_as_its_line_ends(self):
        decoder = JSONLines()
        assert decoder.feed(b"1") == []
        assert decoder.feed(b"2\n3") == [Event(b"12")]

    def test_a_line_without_end_is_refused(self, monkeypatch):
        monkeypatch.setattr(framing, "MAX_EVENT_BYTES", 100)
        decoder = JSONLines()
        decoder.feed(b"x" * 100)
        with pytest.raises(ProviderError, match="larger than any response"):
            decoder.feed(b"x")

    @given(st.lists(st.binary(max_size=20)))
    def test_nothing_is_lost(self, pieces):
        lines = b"".join(pieces).split(b"\n")
        stripped = [line.strip(b" \t\r") for line in lines]
        assert [event.data for event in decode(JSONLines, *pieces)] == [s for s in stripped if s]


class TestRawBytes:
    def test_a_piece_is_an_event(self):
        assert decode(RawBytes, b"\x00\n", b"", b"data: x") == [Event(b"\x00\n"), Event(b"data: x")]


HEADERS = {
    ":message-type": "event",
    ":event-type": "chunk",
    ":content-type": "application/json",
}
ONE = message({**HEADERS}, b'{"bytes":"aGk="}')
EVERY_TYPE = {
    "yes": True,
    "no": False,
    "byte": struct.pack(">Bb", 2, -5),
    "short": struct.pack(">Bh", 3, -300),
    "int": struct.pack(">Bi", 4, 70_000),
    "long": struct.pack(">Bq", 5, 2**40),
    "bytes": b"\x00\xff",
    "text": "é世界",
    "time": datetime(2026, 11, 30, 8, 0, 0, 250_000, tzinfo=UTC),
    "id": UUID("12345678-1234-5678-1234-567812345678"),
}


class TestAWSEventStream:
    def test_a_message(self):
        (event,) = decode(AWSEventStream, ONE)
        assert (event.name, event.data, event.headers) == ("chunk", b'{"bytes":"aGk="}', HEADERS)
        assert not event.failed

    @pytest.mark.parametrize(
        ("data", "expected"),
        [
            (
                b"\x00\x00\x00\x10\x00\x00\x00\x00\x05\xc2H\xeb}\x98\xc8\xff",
                AWSEvent(b"", "", {}),
            ),
            (
                b"\x00\x00\x00+\x00\x00\x00\x0e4\x8b\xec{\x08event-id\x04\x00\x00\xa0\x0c"
                b"{'foo':'bar'}\xd3\x89\x02\x85",
                AWSEvent(b"{'foo':'bar'}", "", {"event-id": 40972}),
            ),
        ],
        ids=["empty", "an int header"],
    )
    def test_the_vectors_that_amazons_sdks_are_tested_with(self, data, expected):
        assert decode(AWSEventStream, data) == [expected]

    def test_every_type_of_header(self):
        (event,) = decode(AWSEventStream, message(EVERY_TYPE, b""))
        assert event.headers == {
            **EVERY_TYPE,
            "byte": -5,
            "short": -300,
            "int": 70_000,
            "long": 2**40,
        }

    @pytest.mark.parametrize(
        ("headers", "name"),
        [
            (
                {":message-type": "exception", ":exception-type": "throttlingException"},
                "throttling",
            ),
            ({":message-type": "error", ":error-code": "internalFailure"}, "internal"),
        ],
    )
    def test_a_failure_is_marked(self, headers, name):
        (event,) = decode(AWSEventStream, message(headers, b'{"message":"Slow down."}'))
        assert event.failed
        assert event.name.startswith(name)

    def test_events_are_the_same_wherever_the_bytes_are_cut(self):
        data = ONE + message({}, b"") + message(EVERY_TYPE, "世界".encode() * 30)
        whole = decode(AWSEventStream, data)
        assert len(whole) == 3
        for pieces in (*in_two(data), bytewise(data)):
            assert decode(AWSEventStream, *pieces) == whole

    def test_a_message_comes_with_its_last_byte(self):
        decoder = AWSEventStream()
        assert decoder.feed(ONE[:-1]) == []
        assert len(decoder.feed(ONE[-1:] + ONE[:5])) == 1

    @pytest.mark.parametrize("position", range(len(ONE)))
    def test_a_byte_that_changed_on_its_way_is_noticed(self, position):
        damaged = bytearray(ONE)
        damaged[position] ^= 0x10
        with pytest.raises(ProviderError, match=r"damaged|broke off|larger") as caught:
            decode(AWSEventStream, bytes(damaged))
        assert (caught.value.status, caught.value.code) == (502, "bad_provider_answer")

    @pytest.mark.parametrize("size", range(1, len(ONE)))
    def test_a_stream_that_ends_within_a_message_broke_off(self, size):
        with pytest.raises(ProviderError, match="within a message"):
            decode(AWSEventStream, ONE, ONE[:size])

    def test_a_message_that_is_too_large_is_refused_by_its_length(self):
        prelude = struct.pack(">II", framing.MAX_EVENT_BYTES + 1, 0)
        with pytest.raises(ProviderError, match="larger than any response"):
            AWSEventStream().feed(prelude + struct.pack(">I", zlib.crc32(prelude)))

    @pytest.mark.parametrize(
        "headers",
        [
            b"\x01a\x0a",
            b"\x01a\x07\x00\x05ab",
            b"\x05a",
            b"\x01a\x04\x00",
            b"\x01\xff\x00",
            b"\x01",
        ],
        ids=["unknown type", "text too long", "name too long", "int too short", "no UTF-8", "name"],
    )
    def test_headers_that_cannot_be_read_are_damage(self, headers):
        with pytest.raises(ProviderError, match="damaged"):
            decode(AWSEventStream, message(headers, b"{}"))

    def test_headers_larger_than_their_message_are_damage(self):
        with pytest.raises(ProviderError, match="damaged"):
            decode(AWSEventStream, message(b"", b"", header_size=100))

    @given(st.binary(max_size=200))
    def test_anything_else_is_an_error_and_no_crash(self, data):
        with suppress(ProviderError):
            decode(AWSEventStream, data)
