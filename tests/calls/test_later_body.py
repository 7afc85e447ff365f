"""The body of a call whose stream has begun: gone, and there again for who asks."""

import orjson
import pytest

from tornado_router.background.held_memory import SLOW_BYTES
from tornado_router.calls import later_body
from tornado_router.calls.later_body import let_go
from tornado_router.provider import Call, Part

BODY = {"model": "m", "messages": [{"role": "user", "content": "é"}], "seed": 2**70, "n": 1.0}


def call(body=BODY, **fields):
    raw = b'{"seed":%d,' % body["seed"] + orjson.dumps({**body, "seed": None})[1:]
    raw = raw.replace(b',"seed":null', b"")
    return Call("c", "chat.completions", "m", body, **{"raw": raw, "stream": True} | fields)


def test_it_is_what_it_was():
    made = call()
    let_go(made)
    assert made.body is not BODY
    assert made.body == BODY
    assert dict(made.body) == BODY
    assert (made.body["seed"], made.body.get("tools"), "n" in made.body) == (2**70, None, True)
    assert len(made.body) == len(BODY)


def test_it_is_parsed_once_if_it_is_asked_for(monkeypatch):
    parsed = []
    parse = later_body.parse_json
    monkeypatch.setattr(later_body, "parse_json", lambda raw: parsed.append(raw) or parse(raw))
    made = call()
    let_go(made)
    let_go(made)
    assert not parsed
    assert (made.body["model"], made.body.get("messages")) == ("m", BODY["messages"])
    assert parsed == [made.raw]


@pytest.mark.parametrize(
    "fields", [{"raw": b""}, {"parts": (Part("model", "m"),)}, {"raw": b" " * (SLOW_BYTES + 1)}]
)
def test_a_form_and_what_takes_long_to_parse_are_kept(fields):
    made = call(**fields)
    let_go(made)
    assert made.body is BODY
