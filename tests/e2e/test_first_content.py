"""The commit point of a stream: until its first content, another target serves it."""

import json

import pytest

from ..support import events
from ..upstream import TEXT

pytestmark = pytest.mark.sqlite_suffices


def delta(**fields):
    choice = {"index": 0, "delta": fields, "finish_reason": fields.pop("finish_reason", None)}
    return {"id": "c", "created": 1, "model": "m", "choices": [choice]}


def text(word):
    return {"id": "c", "choices": [{"index": 0, "text": word, "finish_reason": None}]}


ROLE = delta(role="assistant", content="")
AZURE = {"id": "", "model": "", "created": 0, "choices": [], "prompt_filter_results": [{}]}
USAGE = {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 0}}
FAILED = {"code": 502, "message": "Provider died"}
ENDS = [
    [[{"error": {"code": 503, "message": "overloaded"}, "choices": []}]],
    [[{"choices": [{"index": 0, "delta": {"content": ""}, "error": FAILED}]}]],
    [[{"choices": [{"index": 0, "delta": {}, "finish_reason": "error"}]}]],
    [["data: nonsense"]],
    ["cut"],
    ["reset"],
    ["end"],
]
ERROR = {"error": {"code": 503, "message": "overloaded"}, "choices": []}
TOOL = {"index": 0, "id": "t", "type": "function", "function": {"name": "f", "arguments": ""}}


def ask(router, model, *script, **fields):
    messages = [{"role": "user", "content": json.dumps(script)}]
    return router.post({"model": model, "messages": messages, "stream": True, **fields})


def said(answer):
    assert answer.status == 200, answer.body
    *chunks, done = events(answer.body)
    assert done == b"data: [DONE]"
    made = [json.loads(chunk.removeprefix(b"data: ")) for chunk in chunks]
    return "".join(
        choice["delta"].get("content") or "" for chunk in made for choice in chunk["choices"]
    )


@pytest.mark.parametrize("together", [True, False], ids=["one piece", "several"])
@pytest.mark.parametrize(
    "chunks", [[ROLE], [ROLE, delta(content="")], [AZURE, ROLE], [USAGE]], ids=str
)
@pytest.mark.parametrize("end", ENDS, ids=str)
def test_whatever_comes_before_it_the_next_target_serves(
    router, scripted, upstream, chunks, together, end
):
    script = [chunks] if together else [[chunk] for chunk in chunks]
    if together and isinstance(end[0], list):
        script, end = [[*chunks, *end[0]]], []
    answer = ask(router, f"after-{scripted}", *script, *end)
    assert said(answer) == TEXT
    assert answer.headers["x-router-target"] == "well/ok"
    assert len(upstream.exchanges()) == 2


@pytest.mark.parametrize(
    "content", [{"content": "a"}, {"reasoning": "a"}, {"refusal": "a"}, {"tool_calls": [TOOL]}]
)
def test_with_it_the_stream_has_begun(router, scripted, upstream, content):
    answer = ask(router, f"after-{scripted}", [ROLE, delta(**content)], [ERROR])
    assert answer.status == 200
    *passed, error = events(answer.body)
    assert [json.loads(it.removeprefix(b"data: ")) for it in passed] == [ROLE, delta(**content)]
    assert error.startswith(b"event: error\n")
    assert len(upstream.exchanges()) == 1


def test_a_stream_without_it_is_a_response_if_it_ends_well(router, scripted, upstream):
    end = delta(finish_reason="stop")
    answer = ask(router, f"after-{scripted}", [ROLE], [end], ["data: [DONE]"], "end")
    assert said(answer) == ""
    assert len(events(answer.body)) == 3
    assert len(upstream.exchanges()) == 1


def test_completions_begin_with_their_first_text(router, scripted, upstream):
    headers = {"Authorization": f"Bearer {router.key}", "Content-Type": "application/json"}
    for word, exchanges in (("", 2), ("a", 3)):
        messages = [{"role": "user", "content": json.dumps([[text(word)], [ERROR]])}]
        body = {"model": f"after-{scripted}", "prompt": "hi", "messages": messages, "stream": True}
        answer = router.request("POST", "/v1/completions", json.dumps(body), headers)
        assert answer.status == 200
        assert (b"event: error" in answer.body) == (word == "a")
        assert len(upstream.exchanges()) == exchanges


def test_so_do_streams_in_another_format(router, scripted, upstream):
    start = {"id": "msg", "type": "message", "role": "assistant", "model": "m", "content": []}
    before = [
        {"type": "message_start", "message": {**start, "usage": {"input_tokens": 3}}},
        {"type": "ping"},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    ]
    text = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "a"}}
    error = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    model = scripted.replace("up/", "after-claude/")
    events_of = [[f"event: {it['type']}\ndata: {json.dumps(it)}"] for it in (*before, text, error)]
    answer = ask(router, model, *events_of[:3], events_of[-1], max_tokens=9)
    assert said(answer) == TEXT
    assert len(upstream.exchanges()) == 2
    answer = ask(router, model, *events_of, max_tokens=9)
    assert answer.status == 200
    assert b"event: error" in answer.body
    assert len(upstream.exchanges()) == 3


def test_a_choice_that_failed_is_not_cached(router_project, router_toml, upstream):
    route = '[routes.cached]\ntargets = ["up/script"]\ncache_seconds = 60\n'
    options = "[routing]\nretries = 0\n"
    router = router_project({"router.toml": options + router_toml + route}).serve()
    failed = {"choices": [{"index": 0, "delta": {"content": "a"}, "finish_reason": "error"}]}
    for count in (1, 2):
        answer = ask(router, "cached", [delta(content="a")], [failed], "end", temperature=0)
        assert b"event: error" in answer.body
        assert answer.headers["x-router-cache"] == "miss"
        assert len(upstream.exchanges()) == count
