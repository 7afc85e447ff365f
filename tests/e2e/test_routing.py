"""Routes, retries and breakers as clients and operators meet them."""

import json

import openai
import pytest

from ..support import VENDOR_KEY, poll

pytestmark = pytest.mark.sqlite_suffices

HELLO = [{"role": "user", "content": "hello out there"}]
PICTURE = [
    {
        "role": "user",
        "content": [{"type": "image_url", "image_url": {"url": "https://example.com/y.png"}}],
    }
]

ROUTER_TOML = """
[server]
port = 0
[log]
format = "json"
[routing]
backoff_seconds = 0.01
breaker_failures = 3
breaker_seconds = 60
request_headers = true
[providers.east]
type = "openai"
api_key = "{key}"
base_url = "{upstream}/v1"
[providers.west]
type = "openai"
api_key = "{key}"
base_url = "{upstream}/west/v1"
[routes.best]
targets = ["east/ok", "west/ok"]
[routes.shaky]
targets = ["east/status:503", "west/ok"]
[routes."west-*"]
targets = ["west/*"]
[routes.seeing]
targets = ["east/ok", "west/ok"]
[routes.bound]
targets = ["east/ok", "west/ok"]
sticky = "user"
[routes.session]
targets = ["east/ok", "west/ok"]
sticky = "header:X-Claude-Code-Session-Id"
[routes.hedged]
targets = ["east/slow:30", "west/ok"]
hedge_seconds = 0.1
[prices."*"]
input = 1.0
output = 2.0
[targets."east/ok"]
lacks = ["images"]
context_window = 1000
"""


@pytest.fixture
def router(router_project, upstream):
    text = ROUTER_TOML.format(key=VENDOR_KEY, upstream=upstream.url)
    return router_project({"router.toml": text}).serve()


@pytest.fixture
def ask(router):
    with openai.OpenAI(base_url=router.url, api_key=router.key, max_retries=0) as client:

        def ask(model, messages=HELLO, **fields):
            create = client.chat.completions.with_raw_response.create
            return create(model=model, messages=messages, **fields).headers

        yield ask


def test_the_answer_names_what_served_it(ask, router):
    headers = ask("best")
    assert headers["x-router-target"] == "east/ok"
    assert headers["x-router-attempts"] == "1"
    assert 0 < float(headers["x-router-overhead-ms"]) < 1000
    headers = ask("west-slow:0.3", stream=True)
    assert headers["x-router-target"] == "west/slow:0.3"
    assert float(headers["x-router-overhead-ms"]) < 250
    answer = router.post({"model": "east/status:401", "messages": HELLO})
    assert (answer.status, answer.headers["x-router-attempts"]) == (502, "1")


def test_a_target_that_fails_is_left_out_and_the_log_says_so(ask, router, upstream):
    assert [ask("shaky")["x-router-attempts"] for _ in range(5)] == ["2", "2", "2", "1", "1"]
    assert len([x for x in upstream.exchanges() if b"status:503" in x["body"]]) == 3
    rows = poll(lambda: (rows := router.usage_rows()) and len(rows) == 5 and rows)
    assert {(row["provider"], row["status"]) for row in rows} == {("west", 200)}
    told = [line["message"] for line in router.log() if line["level"] == "warning"]
    assert told.count("the target east/status:503 is skipped for 60.0 s") == 1


def test_a_call_without_another_target_is_tried_again(router, upstream):
    answer = router.post({"model": "east/plain-status:500", "messages": HELLO})
    assert answer.status == 502
    assert answer.headers["x-router-attempts"] == "3"
    assert len(upstream.exchanges()) == 3


def test_a_target_that_cannot_do_it_is_not_asked(ask, router, upstream):
    assert ask("seeing")["x-router-target"] == "east/ok"
    assert ask("seeing", PICTURE)["x-router-target"] == "west/ok"
    assert ask("seeing", max_tokens=2000)["x-router-target"] == "west/ok"
    count = len(upstream.exchanges())
    answer = router.post({"model": "east/ok", "messages": PICTURE})
    assert (answer.status, answer.error["code"]) == (400, "unsupported_value")
    answer = router.post({"model": "east/ok", "messages": HELLO, "max_tokens": 1000})
    assert (answer.status, answer.error["code"]) == (400, "context_length_exceeded")
    assert len(upstream.exchanges()) == count


def test_calls_of_one_user_stay_together(ask):
    for user in "abcdef":
        assert len({ask("bound", user=user)["x-router-target"] for _ in range(4)}) == 1
    assert len({ask("bound", user=str(number))["x-router-target"] for number in range(30)}) == 2


def test_calls_of_one_session_stay_together(ask):
    def target(session):
        return ask("session", extra_headers={"x-claude-code-session-id": session})[
            "x-router-target"
        ]

    for session in "abcdef":
        assert len({target(session) for _ in range(4)}) == 1
    assert len({target(str(number)) for number in range(30)}) == 2


def test_a_client_may_choose_a_target_of_the_route(router):
    body = {"model": "best", "messages": HELLO}
    answer = router.post(body, x_router_target="west/ok")
    assert answer.headers["x-router-target"] == "west/ok"
    answer = router.post(body, x_router_target="east/other")
    assert (answer.status, answer.error["code"]) == (400, "target_not_found")


def test_or_not_if_the_operator_does_not_like_it(router_project, upstream):
    text = ROUTER_TOML.format(key=VENDOR_KEY, upstream=upstream.url)
    text = text.replace("request_headers = true", "")
    router = router_project({"router.toml": text}).serve()
    body = json.dumps({"model": "best", "messages": HELLO}).encode()
    answer = router.post(body, x_router_target="west/ok")
    assert answer.headers["x-router-target"] == "east/ok"


@pytest.mark.parametrize("stream", [False, True])
def test_a_slow_answer_is_asked_for_elsewhere(ask, router, upstream, stream):
    headers = ask("hedged", stream=stream)
    assert (headers["x-router-target"], headers["x-router-attempts"]) == ("west/ok", "2")
    assert poll(lambda: [x for x in upstream.exchanges() if x["cut"]])[0]["path"].startswith("/v1")
    row = router.usage(headers["x-request-id"])
    assert row["provider"] == "west"
    assert row["cost"] > 0
    assert row["uncharged"] > 0  # the prompt that the slow one has read


def test_answers_may_call_their_model_as_it_was_asked_for(router_project, upstream):
    text = ROUTER_TOML.format(key=VENDOR_KEY, upstream=upstream.url)
    text = text.replace("[routing]", '[routing]\nanswer_model = "asked"')
    router = router_project({"router.toml": text}).serve()
    with openai.OpenAI(base_url=router.url, api_key=router.key, max_retries=0) as client:
        whole = client.chat.completions.create(model="best", messages=HELLO)
        assert whole.model == "best"
        stream = client.chat.completions.create(model="best", messages=HELLO, stream=True)
        assert {chunk.model for chunk in stream} == {"best"}
