"""Bodies on their way to the vendor and to the client."""

import json
import math

import orjson
import pytest

from tornado_router import provider as public
from tornado_router.errors import ApiError
from tornado_router.provider import Binary


def test_json_with_what_orjson_cannot_write_is_written_all_the_same():
    assert public.dump_json({"a": 2**70}) == b'{"a":%d}' % 2**70
    assert orjson.loads(public.dump_json({"a": "é", "b": 2**70}).replace(b"%d" % 2**70, b"0")) == {
        "a": "é",
        "b": 0,
    }


def test_halves_of_characters_are_written_as_halves():
    assert public.dump_json({"a": "\ud83d"}) == b'{"a":"\\ud83d"}'


@pytest.mark.parametrize("number", [math.inf, -math.inf, math.nan])
@pytest.mark.parametrize("length", [1, 10_000])
@pytest.mark.parametrize("big", [1, 2**70])
def test_a_number_that_is_none_is_refused(number, length, big):
    body = {"a": None, "b": [0.5, {"c": "x" * length}, {"d": [big, number]}]}
    with pytest.raises(ApiError) as caught:
        public.dump_json(body)
    assert (caught.value.status, caught.value.param) == (400, "b[2].d[1]")
    assert public.write_json(body)  # of a vendor, it goes on
    body["b"][2]["d"][1] = None
    assert b"null" in public.dump_json(body)


def test_json_nested_without_end_is_refused():
    body = {}
    for _ in range(200_000):
        body = {"a": body}
    with pytest.raises(ApiError) as caught:
        public.dump_json(body)
    assert (caught.value.status, caught.value.param) == (400, "messages")
    while body:  # or its end recurses, too
        body = body.pop("a")


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b'"\\ud83d"', "\ud83d"),
        (b'{"\\ud83d": 1}', {"\ud83d": 1}),
        (b"1e400", math.inf),
        (b"[123456789012345678901,-99999999999999999999]", [123456789012345678901, -(10**20) + 1]),
        (b"[-Infinity]", [-math.inf]),
        (b'{"a":1,"a":2}', {"a": 2}),
        (b'\xef\xbb\xbf{"a":"\xc3\xa9"}', {"a": "é"}),
    ],
)
def test_json_that_parsers_of_clients_take_is_read(data, value):
    assert public.load_json(data) == value


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"<html>", b'"\t"', b'"\xff"', b"[" * 3000 + b"]" * 3000, b"1" * 5000, b"'a'"],
    ids=lambda data: repr(data[:10]),
)
def test_what_none_of_them_takes_is_not(data):
    with pytest.raises(ValueError):  # noqa: PT011 - of any kind
        public.load_json(data)


@pytest.mark.parametrize("data", [b"", b"x", b"[1]", b"null", b'"x"', b"\xff"])
def test_an_answer_that_is_no_object_is_a_502(data):
    with pytest.raises(ApiError, match="'mine'") as caught:
        public.load_json_object(data, "mine")
    assert caught.value.status == 502


def test_the_bytes_of_a_response_are_not_in_a_repr():
    assert "secret" not in repr(Binary("audio/mpeg", b"secret"))
    assert "secret" not in repr(public.Relayed({}, b"secret"))


@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        ("", {}),
        (" \n", {}),
        ('{"a": [1]}', {"a": [1]}),
        ('{"a": 123456789012345678901}', {"a": 123456789012345678901}),
        *((text, None) for text in ("null", "[1]", "5", '"x"', '{"a": "cut', "NaN", "{'a': 1}")),
        *((text, None) for text in ('{"a": "\ud800"}', '{"a":' * 3000 + "1" + "}" * 3000)),
    ],
)
def test_arguments_of_a_tool_call_are_an_object_or_none(text, arguments):
    assert public.load_arguments(text) == arguments


RAW = b'{ "model" : "a",\n"thinking": {"b":1.0, "a":"\\u00e9 "}, "n":123456789012345678901 }'


def test_the_bytes_of_fields_that_do_not_change_stay():
    changed = public.replace_fields(RAW, {"model": "b", "new": [None]}, ("n",))
    assert changed == b'{"model":"b","thinking":{"b":1.0, "a":"\\u00e9 "},"new":[null]}'
    assert json.loads(public.replace_fields(RAW, {})) == json.loads(RAW)


@pytest.mark.parametrize("raw", [b'{"a":"\\ud800","n":1}', b'{"\\udfff":2,"a":"x","n":1}'])
def test_half_a_surrogate_pair_is_no_reason_to_refuse(raw):
    changed = json.loads(public.replace_fields(raw, {"a": 5}, ("n",)))
    assert (changed["a"], "n" in changed) == (5, False)
