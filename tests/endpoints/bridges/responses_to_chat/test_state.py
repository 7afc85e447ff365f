"""State in the hands of the client: ours comes back, and nothing else is taken for it."""

import base64

import pytest

from tornado_router.endpoints.bridges.responses_to_chat.state import PREFIX, seal, unseal


def sealed(text):
    return PREFIX + base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize("kept", [{}, {"call_1": {"signature": "é\u2028", "layout": [1, "x"]}}])
def test_what_is_sealed_comes_back(kept):
    text = seal("m", kept)
    assert text.startswith(PREFIX)
    assert text.isascii()
    state = unseal(text)
    assert (state.model, state.kept) == ("m", kept)


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        7,
        "gAAAAABo-of-a-vendor",
        PREFIX,
        PREFIX + "a",
        PREFIX + "é",
        sealed("[]"),
        sealed("{"),
        sealed("{}"),
        sealed('{"model": 1}'),
        sealed("[" * 100_000),
    ],
)
def test_what_is_foreign_or_damaged_is_none(text):
    assert unseal(text) is None


def test_a_field_that_no_vendor_has_is_none():
    assert unseal(sealed('{"model": "m", "field": "tool_calls"}')).field == ""
    assert unseal(sealed('{"model": "m", "field": ["x"]}')).field == ""
    assert unseal(seal("m", field="reasoning")).field == "reasoning"


def test_what_is_no_object_was_not_kept():
    assert unseal(sealed('{"model": "m", "kept": [1]}')).kept == {}
