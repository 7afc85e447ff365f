"""What vendors say of failures, as a client, an operator and the next target meet it."""

import json

import pytest

from ..support import VENDOR_KEY, events
from ..upstream import TEXT

pytestmark = pytest.mark.sqlite_suffices

ROUTER_TOML = """
[server]
port = 0
[log]
format = "json"
[routing]
retries = 1
backoff_seconds = 0.01
breaker_failures = 1
breaker_seconds = 300
{providers}
[providers.well]
type = "openai"
api_key = "{key}"
base_url = "{upstream}/well/v1"
[providers.nowhere]
type = "openai"
api_key = "{key}"
base_url = "http://router-test.invalid/v1"
[routes.cached]
targets = ["openai/scripted"]
cache_seconds = 60
[routes.doomed]
targets = ["openai/scripted", "nowhere/x"]
[prices."*"]
input = 1.0
output = 2.0
"""
VENDORS = ("openai", "xai", "mistral", "openrouter", "groq", "deepseek", "vllm", "ollama")


@pytest.fixture
def router(router_project, upstream):
    providers = "".join(
        f'[providers.{name}]\ntype = "{name}"\napi_key = "{VENDOR_KEY}"\n'
        f'base_url = "{upstream.url}/v1"\n'
        f'[routes.after-{name}]\ntargets = ["{name}/scripted", "well/ok"]\n'
        for name in VENDORS
    )
    text = ROUTER_TOML.format(key=VENDOR_KEY, upstream=upstream.url, providers=providers)
    return router_project({"router.toml": text}).serve()


def ask(router, model, script, stream=False):
    """A call whose vendor answers by a script."""
    messages = [{"role": "user", "content": json.dumps(script)}]
    return router.post({"model": model, "messages": messages, "stream": stream})


def served(answer, stream):
    """Whether the target that is well served it."""
    assert answer.status == 200, answer.body
    assert answer.headers["x-router-target"] == "well/ok"
    if stream:
        return events(answer.body)[-1] == b"data: [DONE]"
    return answer.json["choices"][0]["message"]["content"] == TEXT


def error(message, **fields):
    return {"error": {"message": message, **fields}}


REFUSALS = [
    # vendor, what it says, what the client gets
    ("xai", 400, {"code": "invalid", "error": "Too many stops"}, "Too many stops"),
    ("mistral", 422, {"detail": [{"loc": ["body", "n"], "msg": "Bad"}]}, "Bad (n)"),
    ("mistral", 400, {"object": "error", "message": "No such role"}, "No such role"),
    ("vllm", 400, {"object": "error", "message": {"detail": [{"msg": "No."}]}}, "No."),
    ("ollama", 400, {"error": "invalid options"}, "invalid options"),
    ("openai", 400, [error("Not that field.", code=400)], "Not that field."),
    ("openrouter", 200, error("No endpoint takes images.", code=400), "No endpoint takes images."),
    ("groq", 200, {"object": "error", "message": "No.", "type": "BadRequestError"}, "No."),
]


@pytest.mark.parametrize("stream", [False, True])
def test_a_refusal_keeps_its_words_and_is_asked_once(router, upstream, stream):
    for vendor, status, body, words in REFUSALS:
        upstream.forget()
        answer = ask(router, f"after-{vendor}", {"status": status, "body": body}, stream)
        assert answer.status == (status if status >= 400 else 400)
        assert answer.error["message"] == words
        assert len(upstream.exchanges()) == 1
        # and the target is not left out: it is asked again
        assert ask(router, f"after-{vendor}", {"status": status, "body": body}).status >= 400
        assert len(upstream.exchanges()) == 2


CANNOT = [
    # vendor, status, what it says, what the client gets if there is no other target
    (
        "groq",
        413,
        error(
            "Request too large for model `x` on tokens per minute (TPM): Limit 6000, "
            "Requested 9000",
            type="tokens",
            code="rate_limit_exceeded",
        ),
        (413, "rate_limit_exceeded"),
    ),
    (
        "openai",
        429,
        error("Request too large for gpt-4 on tokens per min (TPM): Limit 1, Requested 2"),
        (429, None),
    ),
    ("openai", 400, error("No.", code="context_length_exceeded"), (400, "context_length_exceeded")),
    (
        "vllm",
        400,
        error("This model's maximum context length is 4096 tokens. However, ...", code=400),
        (400, "context_length_exceeded"),
    ),
    (
        "openrouter",
        200,
        error("This endpoint's maximum context length is 1024 tokens.", code=400),
        (400, "context_length_exceeded"),
    ),
    (
        "ollama",
        400,
        {"error": "prompt too long; exceeded max context length by 9 tokens"},
        (400, "context_length_exceeded"),
    ),
    (
        "xai",
        400,
        {"code": "invalid-argument", "error": "This model's maximum prompt length is 131072 but"},
        (400, "context_length_exceeded"),
    ),
    (
        "mistral",
        400,
        {
            "object": "error",
            "message": "Prompt contains 9 tokens, too large for model with 8 "
            "maximum context length",
            "code": 3051,
        },
        (400, "context_length_exceeded"),
    ),
    ("openai", 400, error("Filtered.", code="content_filter"), (400, "content_filter")),
    (
        "openrouter",
        403,
        error("x requires moderation on OpenAI. Your input was flagged for violence.", code=403),
        (400, "content_filter"),
    ),
    ("openrouter", 400, error("a/b is not a valid model ID", code=400), (400, "model_not_found")),
    ("ollama", 404, {"error": "model 'x' not found"}, (404, "model_not_found")),
    ("openai", 404, error("No such thing."), (404, None)),
    ("ollama", 400, {"error": "x does not support tools"}, (400, None)),
    ("xai", 400, {"error": "Argument not supported on this model: stop"}, (400, None)),
    (
        "openai",
        403,
        error("Country, region, or territory not supported"),
        (502, "region_not_supported"),
    ),
]


@pytest.mark.parametrize("stream", [False, True])
def test_what_one_target_cannot_another_may(router, upstream, stream):
    for vendor, status, body, expected in CANNOT:
        script = {"status": status, "body": body}
        for _ in range(2):  # twice, as a target that had a mark would be left out
            upstream.forget()
            assert served(ask(router, f"after-{vendor}", script, stream), stream)
            assert len(upstream.exchanges()) == 2, (vendor, body)
        upstream.forget()
        alone = ask(router, f"{vendor}/scripted", script, stream)
        assert (alone.status, alone.error["code"]) == expected
        assert len(upstream.exchanges()) == 1


UNPAID = [
    ("openai", 429, error("You exceeded your current quota.", code="insufficient_quota")),
    ("openai", 429, error("No.", type="insufficient_quota", code="project_spend_limit_exceeded")),
    ("xai", 403, {"error": "Your team abc-1 has either used all available credits or reached its"}),
    ("openai", 400, {"code": "Arrearage", "message": "Access denied."}),
    ("deepseek", 402, error("Insufficient Balance")),
    ("openrouter", 200, error("Insufficient credits", code=402)),
    ("openrouter", 403, error("Key limit exceeded (total limit).", code=403)),
    ("openai", 429, error("Your account is suspended", type="exceeded_current_quota_error")),
    ("openai", 429, error("您的账户已欠费", code="1113")),
]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("vendor", "status", "body"), UNPAID)
def test_the_operators_empty_account(router, upstream, vendor, status, body, stream):
    script = {"status": status, "body": body}
    alone = ask(router, f"{vendor}/scripted", script, stream)
    assert (alone.status, alone.error["code"]) == (503, "insufficient_quota")
    assert "out of credit" in alone.error["message"]
    assert len(upstream.exchanges()) == 1
    assert served(ask(router, f"after-{vendor}", script, stream), stream)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("status", "headers", "body", "expected"),
    [
        (200, {"Retry_After": "19"}, error("Slow.", code=429), (429, "19")),
        (200, {}, error("Slow.", code="rate_limit_exceeded", retry_after=18), (429, "18")),
        (402, {"Retry_After": "19"}, error("In-flight budget.", code=402), (429, "19")),
        (498, {}, error("Flex tier capacity exceeded."), (503, "1")),
        (429, {"Retry_After": "скоро"}, error("Slow."), (429, "1")),
        (503, {"Retry_After": "Mon, 01 Jan 99999999999 00:00:00 GMT"}, {}, (503, "1")),
        (523, {}, {}, (502, None)),
        (524, {}, {}, (504, None)),
        (499, {}, error("Cancelled."), (502, None)),
    ],
)
def test_what_may_pass(router, status, headers, body, expected, stream):
    script = {"status": status, "headers": headers, "body": body}
    alone = ask(router, "openai/scripted", script, stream)
    assert (alone.status, alone.headers.get("Retry-After")) == expected
    assert served(ask(router, "after-openai", script, stream), stream)


DIED = {"finish_reason": "error", "error": {"code": 502, "message": "Provider died"}}


@pytest.mark.parametrize(
    "choice",
    [
        {"message": {"content": ""}, **DIED},
        {"message": {"content": ""}, "finish_reason": "error"},
        {"message": {"content": None}, "finish_reason": "stop", "error": {"code": 503}},
    ],
)
def test_a_choice_that_failed_is_no_response(router, upstream, choice):
    script = {"body": {"choices": [choice]}}
    for _ in range(2):
        upstream.forget()
        answer = ask(router, "cached", script)
        assert answer.status in (502, 503)
        assert len(upstream.exchanges()) == 2  # it was tried again, and not cached
    assert served(ask(router, "after-openai", script), stream=False)


@pytest.mark.parametrize(
    "event",
    [
        {"choices": [{"delta": {"content": ""}, **DIED}]},
        {"choices": [{"delta": {}, "finish_reason": "error"}]},
        {"object": "error", "message": "Overloaded.", "code": 503},
        {"error": "LM Studio says no"},
    ],
)
def test_an_event_that_reports_a_failure(router, event):
    script = {"events": [event]}
    answer = ask(router, "openai/scripted", script, stream=True)
    assert answer.status in (502, 503)
    assert served(ask(router, "after-openai", script, stream=True), stream=True)


def test_a_failure_behind_text_ends_the_stream(router):
    word = {"choices": [{"index": 0, "delta": {"content": "Half"}, "finish_reason": None}]}
    script = {"events": [word, {"error": {"code": 429, "message": "Slow down."}}]}
    answer = ask(router, "openai/scripted", script, stream=True)
    assert b"Slow down." in answer.body
    assert b"[DONE]" not in answer.body


def test_a_whole_response_to_a_stream_is_delivered_as_one(router):
    message = {"role": "assistant", "content": "All at once."}
    body = {"id": "x", "choices": [{"index": 0, "message": message, "finish_reason": "length"}]}
    answer = ask(router, "openai/scripted", {"body": body}, stream=True)
    assert answer.status == 200
    *chunks, done = events(answer.body)
    assert done == b"data: [DONE]"
    choices = [json.loads(chunk.removeprefix(b"data: "))["choices"][0] for chunk in chunks]
    assert "".join(choice["delta"].get("content") or "" for choice in choices) == "All at once."
    assert choices[-1]["finish_reason"] == "length"


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("prompt is too long: 9 tokens > 8 maximum", "context_length_exceeded"),
        ("Your credit balance is too low to access the API.", "connection_error"),
    ],
)
def test_the_most_useful_error_is_the_clients(router, message, code):
    script = {"status": 400, "body": error(message)}
    assert ask(router, "doomed", script).error["code"] == code


def warnings(router):
    return [line["message"] for line in router.log() if line["level"] == "warning"]


def test_the_log_has_the_vendors_words(router):
    key = {"status": 401, "body": error(f"Incorrect API key provided: {VENDOR_KEY}.")}
    answer = ask(router, "openai/scripted", key)
    assert VENDOR_KEY not in answer.body.decode()
    ask(router, "openai/scripted", {"status": 500, "body": error("CUDA out of memory")})
    text = "\n".join(warnings(router))
    assert "openai/scripted failed with status 401: Incorrect API key provided: ***." in text
    assert "status 500: CUDA out of memory" in text
    assert VENDOR_KEY not in text


def test_the_log_has_the_cause_of_a_failed_connection(router):
    answer = router.post({"model": "nowhere/x", "messages": [{"role": "user", "content": "hi"}]})
    assert answer.error["message"] == "The provider 'nowhere' cannot be reached."
    assert "router-test.invalid" not in answer.body.decode()
    first, *_ = [line for line in warnings(router) if line.startswith("nowhere/x failed")]
    assert "connection_error: router-test.invalid: " in first
