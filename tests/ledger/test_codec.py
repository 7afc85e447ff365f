"""Records as bytes: read back as they were, and never believed when they were damaged."""

from zlib import crc32

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tornado_router.ledger import codec
from tornado_router.ledger.codec import (
    BEGUN,
    FINISHED,
    RUNNING,
    DamagedRecordError,
    Reader,
    encode_begun,
    encode_finished,
    encode_running,
    read_finished,
)

from ..finished import finished
from .books import begun, flat

CALL = finished(usage_estimated=True, dropped_params=("seed",), prices='{"input":"1"}')


def reader():
    made = Reader(died_at=5.0)
    assert made.read(codec.HEADER) is None
    return made


def test_a_finished_call_is_read_as_it_was():
    line = encode_finished(CALL)
    assert read_finished([codec.HEADER, line]) == ([CALL], [])
    assert reader().read(line) == (FINISHED, CALL)


def test_a_running_call_is_read_as_it_was():
    line = encode_running(CALL)
    assert reader().read(line) == (RUNNING, CALL)
    assert read_finished([line]) == ([], [])


def test_of_a_call_that_begins_the_rest_is_nothing():
    line = encode_begun(begun(3))
    kind, call = reader().read(line)
    assert kind == BEGUN
    assert (call.call_id, call.user_id, call.finished_at) == ("req_3", 1, 5.0)
    assert (call.usage.prompt_tokens, call.charge.charged, call.provider) == (0, 0, None)


def test_a_record_is_json_of_one_line():
    line = encode_finished(finished(model="a\nb\r\0"))
    assert b"\n" not in line
    assert b"\r" not in line
    assert orjson.loads(line)[-1] == crc32(line.rpartition(b",")[0], crc32(codec.HEADER))


def test_half_a_character():
    line = encode_finished(finished(error_code="odd \ud800", dropped_params=("a\udfff",)))
    ((call,), _) = read_finished([line])
    assert (call.error_code, call.dropped_params) == ("odd ?", ("a?",))


@given(st.data())
def test_a_record_with_a_flipped_bit_is_damaged(data):
    line = bytearray(encode_finished(CALL))
    line[data.draw(st.integers(0, len(line) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(DamagedRecordError):
        reader().read(bytes(line))


@given(st.binary(max_size=50))
def test_garbage_is_damaged_whatever_it_is(garbage):
    with pytest.raises(DamagedRecordError):
        reader().read(garbage)
    assert read_finished([garbage])[0] == []


@given(st.data())
def test_a_flipped_bit_in_what_the_process_itself_wrote(data):
    lines = [encode_begun(begun(1)), encode_running(CALL), encode_finished(CALL)]
    whole = b"\n".join([codec.HEADER, *lines, encode_finished(finished(7)), b""])
    place = data.draw(st.integers(len(codec.HEADER), len(whole) - len(lines[2]) - 2))
    harmed = bytearray(whole)
    harmed[place] ^= 1 << data.draw(st.integers(0, 7))
    calls, damaged = read_finished(bytes(harmed).split(b"\n")[:-1])
    assert calls[-1] == finished(7)
    assert len(calls) == 2 or damaged
    assert all(at <= place for at in damaged[:1])


def test_without_the_names_of_its_file_a_record_of_this_version_is_read():
    assert Reader(died_at=5.0).read(encode_finished(CALL)) == (FINISHED, CALL)


def test_values_that_a_newer_version_has_are_left_out():
    values = flat(CALL) | {"cost": "1e-9", "uncharged": "0", "new": [1]}
    made = Reader(died_at=5.0)
    made.read(orjson.dumps(["fields", ["call_id"], list(values)]))
    assert made.read(orjson.dumps([2, *values.values()])).call.charge.charged == 1
