"""Silence of vendors: clients hear that a stream is alive, and do not wait for what is over."""

import json

import pytest

from tornado_router.http.fronts import FRONTS

from ..support import DEADLINE, events
from ..upstream import TEXT

pytestmark = pytest.mark.sqlite_suffices

COMMENT = b": keep-alive\n"
ERROR = {"error": {"code": 503, "message": "overloaded"}}


@pytest.fixture(params=FRONTS)
def http_front(request):
    """Every front."""
    return request.param


def delta(finish_reason=None, index=0, **fields):
    choice = {"index": index, "delta": fields, "finish_reason": finish_reason}
    return {"id": "c", "created": 1, "model": "m", "choices": [choice]}


HELLO, END = delta(role="assistant", content="hello"), delta("stop")


def body(model, *script, **fields):
    messages = [{"role": "user", "content": json.dumps(script)}]
    return {"model": model, "messages": messages, "stream": True, **fields}


@pytest.fixture
def lively(router_project, router_toml):
    options = "[routing]\nretries = 0\n[server]\nkeepalive_seconds = 0.3\n"
    toml = router_toml.replace("[server]\n", options, 1)
    return router_project({"router.toml": toml}).serve()


def read_until(response, wanted):
    """The lines up to one."""
    lines = []
    while not lines or wanted not in lines[-1]:
        lines.append(response.readline())
        assert lines[-1], lines
    return lines


def test_comments_come_before_the_first_chunk_and_behind_it(lively, upstream, scripted):
    script = ["step", [HELLO], "step", [END], ["data: [DONE]"], "end"]
    with lively.asking(body(scripted, *script)) as connection:
        response = connection.getresponse()
        assert response.status == 200
        assert response.headers["Content-Type"] == "text/event-stream; charset=utf-8"
        assert response.headers["Cache-Control"] == "no-cache"
        assert response.headers["x-router-target"] is None
        assert response.headers["X-Request-Id"]
        assert response.readline() == COMMENT
        upstream.step()
        read_until(response, b"hello")
        assert read_until(response, b"keep-alive")[-1] == COMMENT
        upstream.step()
        assert response.read().endswith(b"data: [DONE]\n\n")


@pytest.mark.parametrize("end", [[[ERROR]], ["reset"], ["cut"]], ids=str)
def test_a_fallback_goes_on_behind_them(lively, upstream, scripted, end):
    with lively.asking(body(f"after-{scripted}", "step", *end)) as connection:
        response = connection.getresponse()
        assert response.readline() == COMMENT
        upstream.step()
        said = response.read().replace(COMMENT + b"\n", b"").lstrip(b"\n")
    *chunks, done = events(said)
    assert done == b"data: [DONE]"
    made = [json.loads(chunk.removeprefix(b"data: ")) for chunk in chunks]
    assert "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in made) == TEXT


def test_if_all_fail_the_client_gets_the_error(lively, upstream, scripted, request_id):
    request = body(scripted, "step", [ERROR])
    with lively.asking(request, x_request_id=request_id) as connection:
        response = connection.getresponse()
        assert response.status == 200
        upstream.step()
        said = response.read()
    assert said.endswith(b"\n\n")
    assert b"event: error\ndata: {" in said
    assert b"[DONE]" not in said
    assert lively.usage(request_id)["status"] >= 500


def test_whole_responses_have_none(lively, upstream):
    answer = lively.post({**body("up/slow:1.5"), "stream": False})
    assert answer.status == 200
    assert answer.body.startswith(b"{")
    assert answer.headers["x-router-target"] == "up/slow:1.5"


def test_streams_of_other_providers_have_them_too(router_project):
    toml = (
        "[server]\nport = 0\nkeepalive_seconds = 0.3\n"
        '[providers.echo]\ntype = "echo"\nmodels = ["echo"]\ndelay_ms = 1500\n'
    )
    router = router_project({"router.toml": toml}).serve()
    messages = [{"role": "user", "content": "hi"}]
    answer = router.post({"model": "echo", "messages": messages, "stream": True})
    assert COMMENT in answer.body
    assert answer.body.endswith(b"data: [DONE]\n\n")


BEHIND = [
    ["hang"],
    ["reset"],
    ["cut"],
    ["end"],
    [["data: nonsense"], "end"],
    [["event: error\ndata: {}"], "hang"],
    [[ERROR], "end"],
    [["data: [1]"], "hang"],
]


@pytest.mark.parametrize("together", [True, False], ids=["one piece", "several"])
@pytest.mark.parametrize("end", BEHIND, ids=str)
def test_what_comes_behind_the_last_choice_spoils_nothing(
    router, upstream, scripted, request_id, end, together
):
    script = [[HELLO], [END], *end]
    if together:
        script = [[HELLO, END, *(end[0] if isinstance(end[0], list) else [])], *end]
    request = body(scripted, *script, stream_options={"include_usage": True})
    answer = router.post(request, x_request_id=request_id)
    assert answer.status == 200
    *chunks, usage, done = events(answer.body)
    assert done == b"data: [DONE]"
    assert json.loads(usage.removeprefix(b"data: "))["usage"]["completion_tokens"] == 2
    assert [json.loads(chunk.removeprefix(b"data: ")) for chunk in chunks[:2]] == [HELLO, END]
    row = router.usage(request_id)
    assert (row["status"], row["error_code"], row["usage_estimated"]) == (200, None, 1)
    targets = router.health()["targets"]
    assert [it["failures"] for it in targets if scripted == f"{it['provider']}/{it['model']}"] == [
        0
    ]


def test_usage_that_comes_late_is_waited_for(router, upstream, scripted, request_id):
    usage = {"choices": [], "usage": {"prompt_tokens": 11, "completion_tokens": 7}}
    request = body(scripted, [HELLO, END], "step", [usage], "hang")
    with router.asking(request, x_request_id=request_id) as connection:
        response = connection.getresponse()
        read_until(response, b'"stop"')
        upstream.step()
        assert response.read().endswith(b"data: [DONE]\n\n")
    row = router.usage(request_id)
    assert (row["status"], row["completion_tokens"], row["usage_estimated"]) == (200, 7, 0)
    assert row["duration_ms"] < DEADLINE * 1000
