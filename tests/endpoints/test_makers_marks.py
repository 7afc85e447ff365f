"""Marks of who encrypted what: they come back off, and all other bytes stay as they were."""

import json

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tornado_router.endpoints.makers_marks import (
    NONE,
    Makers,
    makers_of,
    mark_of,
    marked,
    unmarked,
)
from tornado_router.provider import Binary, Call, Relayed

OPENAI, AZURE = "openai", "azure"


def call(raw):
    raw = raw if isinstance(raw, bytes) else orjson.dumps(raw)
    return Call("req_1", "responses", "m", json.loads(raw), raw, stream=False)


def seal(text, provider=OPENAI):
    return f"tr1.{mark_of(provider)}.{text}"


def reasoning(text, **fields):
    return {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": text, **fields}


def asked(*items):
    return call({"model": "m", "input": list(items), "store": False})


TEXTS = st.text() | st.sampled_from(
    ['"encrypted_content":"x"', f'"encrypted_content": "{seal("x")}', "tr1.", seal("x")]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)
ITEMS = st.lists(
    st.dictionaries(st.sampled_from(["text", "arguments", "summary", "x"]), VALUES, max_size=3)
    | st.builds(reasoning, st.text(min_size=1).filter(lambda text: not text.startswith("tr1."))),
    max_size=5,
)


@given(ITEMS, st.sampled_from([(",", ":"), (", ", ": ")]), st.booleans())
def test_what_comes_back_to_its_maker_is_to_the_byte_what_it_sent(items, separators, ascii_only):
    """Whatever texts look like fields: the bytes in a text are escaped, and stay."""
    sent = json.dumps({"output": items}, separators=separators, ensure_ascii=ascii_only)
    raw = sent.encode("utf-8", "surrogatepass")
    if b"\xed" in raw:
        return  # half of a surrogate pair that is not escaped is no JSON
    body = marked(Relayed(json.loads(raw), raw), OPENAI)
    returned = body.raw.replace(b'"output"', b'"input"', 1)
    back = unmarked(call(returned), OPENAI)
    assert back.raw == raw.replace(b'"output"', b'"input"', 1)
    assert back.dropped == []


@given(ITEMS)
def test_what_has_nothing_encrypted_is_not_touched(items):
    items = [item for item in items if "encrypted_content" not in item]
    body = Relayed({"output": items}, json.dumps({"output": items}).encode())
    assert marked(body, OPENAI).raw == body.raw


@given(st.lists(st.sampled_from([OPENAI, AZURE, "third", ""]), max_size=6))
def test_others_get_none_of_it(makers):
    """Of items of several makers, each gets its own, and those of unknown makers."""
    items = [
        reasoning(seal(f"t{index}", maker) if maker else f"t{index}")
        for index, maker in enumerate(makers)
    ]
    opened = unmarked(asked(*items), AZURE)
    assert json.loads(opened.raw) == opened.body
    left = [item["encrypted_content"] for item in opened.body["input"]]
    assert left == [f"t{i}" for i, maker in enumerate(makers) if maker in (AZURE, "")]
    others = [i for i, maker in enumerate(makers) if maker not in (AZURE, "")]
    assert opened.dropped == [f"input[{index}]" for index in others]


def test_the_newest_is_known():
    items = [reasoning(seal("a")), reasoning(seal("b", AZURE)), {"role": "user", "content": "Hi"}]
    assert makers_of(asked(*items)) == Makers(mark_of(AZURE))


@pytest.mark.parametrize("kind", ["compaction", "context_compaction", "of_tomorrow"])
def test_what_stands_for_a_part_of_the_conversation_is_needed(kind):
    items = [reasoning(seal("a"), type=kind), reasoning(seal("b", AZURE))]
    assert makers_of(asked(*items)) == Makers(mark_of(AZURE), mark_of(OPENAI))


def test_what_another_agent_said_may_go():
    part = {"type": "encrypted_content", "encrypted_content": seal("a")}
    item = {"type": "agent_message", "content": [part]}
    assert makers_of(asked(item)) == Makers(mark_of(OPENAI))
    assert unmarked(asked(item), AZURE).body["input"] == []
    assert unmarked(asked(item), OPENAI).body["input"][0]["content"][0]["encrypted_content"] == "a"


@pytest.mark.parametrize("given", ["tr1. is a text", [{"role": "user", "content": seal("x")}]])
def test_a_text_is_none(given):
    made = call({"model": "m", "input": given})
    assert makers_of(made) == NONE
    assert unmarked(made, AZURE) is made


def test_what_a_plugin_made_is_marked():
    body = marked({"output": [reasoning("a")]}, OPENAI)
    assert body.body["output"][0]["encrypted_content"] == seal("a")
    assert marked({"output": []}, OPENAI) == {"output": []}
    audio = Binary("audio/mpeg", b'"encrypted_content":"x"')
    assert marked(audio, OPENAI) is audio


def test_it_may_be_one_of_several_routers():
    """Behind this router may be another, which marks too: each takes its own away."""
    inner = marked({"output": [reasoning("a")]}, OPENAI)
    outer = marked(inner, AZURE)
    raw = outer.raw.replace(b'"output"', b'"input"', 1)
    assert unmarked(call(raw), AZURE).body["input"] == inner.body["output"]
