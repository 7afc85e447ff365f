"""Secrets are taken out of what a vendor sends, whatever the pieces it comes in."""

import pytest

from tornado_router.calls.passed.vendor import Scrubber, is_json, length_of


def scrub(data, size, secrets=("sk-secret-1", "other")):
    scrubber = Scrubber(secrets)
    pieces = [data[start : start + size] for start in range(0, len(data), size)]
    return b"".join([*map(scrubber.feed, pieces), scrubber.rest()])


@pytest.mark.parametrize("size", [1, 2, 3, 5, 100])
def test_a_secret_is_found_across_pieces(size):
    data = b"a sk-secret-1 b other c sk-secre sk-sk-secret-1"
    clean = scrub(data, size)
    assert b"secret-1" not in clean
    assert b"other" not in clean
    assert len(clean) == len(data)
    assert clean.endswith(b"sk-***********")
    assert clean.startswith(b"a ***********")


def test_what_may_begin_a_secret_is_held_back_and_nothing_more():
    scrubber = Scrubber(["sk-sksk-1", "k-2"])
    assert scrubber.feed(b"a sk-sk") == b"a "
    assert scrubber.feed(b"y sk-sks") == b"sk-sky "
    assert scrubber.feed(b"x k-") == b"sk-sksx "
    assert scrubber.feed(b"2 ksk") == b"*** k"
    assert scrubber.rest() == b"sk"


def test_nothing_else_is_changed_or_held_back():
    data = bytes(range(256)) * 100
    assert scrub(data, 7) == data
    assert Scrubber(["sk-secret"]).feed(b"data: x\n\n") == b"data: x\n\n"
    assert Scrubber([]).feed(data) == data


def test_what_is_json_and_how_long_a_body_is():
    assert is_json("application/json; charset=utf-8")
    assert is_json("application/problem+json")
    assert not is_json("application/jsonl")
    assert length_of({"content-length": "7"}) == "7"
    assert length_of({"content-length": "7", "content-encoding": "gzip"}) == ""
    assert length_of({"content-length": "x"}) == ""
