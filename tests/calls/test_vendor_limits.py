"""What a vendor takes, learnt from its words, and which words are no such thing."""

import orjson
import pytest

from tornado_router.calls.vendor_limits import VendorLimits
from tornado_router.errors import ApiError
from tornado_router.provider import Call
from tornado_router.routing.routes import Target

TARGET = Target("up", "m")
PAYER = 1


def call(
    tokens=64_000, unsupported="adapt", field="max_tokens", endpoint="chat.completions", **more
):
    body = {"model": "m", "messages": [{"role": "user", "content": "Hi"}], **more}
    if tokens is not None:
        body[field] = tokens
    return Call("r", endpoint, "m", body, orjson.dumps(body), False, unsupported)


def learnt(asked, message, status=400, code=None, param=None):
    """The call as the target gets it from now on, and what changed; None if nothing was learnt."""
    limits = VendorLimits()
    if not limits.learn(asked, PAYER, TARGET, ApiError(status, message, code=code, param=param)):
        return None
    made, changed = limits.apply(asked, PAYER, TARGET)
    assert orjson.loads(made.raw) == made.body
    return made.body, changed


@pytest.mark.parametrize(
    ("message", "most"),
    [
        (
            "max_tokens is too large: 64000. This model supports at most 16384 completion tokens, "
            "whereas you provided 64000.",
            16_384,
        ),
        ("Invalid max_tokens value, the valid range of max_tokens is [1, 8192]", 8192),
        ("`max_completion_tokens` must be less than or equal to `8192`", 8192),
        (
            "it has a maxOutputTokens value of 64000 but the supported range is from 1 (inclusive) "
            "to 8193 (exclusive).",
            8192,
        ),
        ("max_tokens: 64000 > 32000, which is the maximum allowed number of output tokens", 32_000),
        ("max_tokens must be at most 32,768", 32_768),
    ],
)
@pytest.mark.parametrize(
    ("field", "endpoint"),
    [
        ("max_tokens", "messages"),
        ("max_tokens", "chat.completions"),
        ("max_completion_tokens", "chat.completions"),
    ],
)
def test_how_many_tokens_it_takes(message, most, field, endpoint):
    body, changed = learnt(call(field=field, endpoint=endpoint), message)
    assert [value for name, value in body.items() if name.startswith("max_")] == [most]
    assert changed == [field]


@pytest.mark.parametrize(
    ("message", "how"),
    [
        ("max_tokens is too large: 64000.", {}),
        ("max_tokens must be at most 16384", {"tokens": 9000}),
        ("max_tokens must be at most 16384", {"tokens": None}),
        ("max_tokens must be at most 16384", {"unsupported": "reject"}),
        ("max_tokens must be at most 1024", {}),
        ("the tool 'f16384' is unknown", {}),
    ],
)
def test_what_is_no_ceiling(message, how):
    assert learnt(call(**how), message) is None


def test_a_prompt_that_is_too_long_and_a_failure_are_no_ceiling():
    message = "max_tokens must be at most 16384"
    assert learnt(call(), message, code="context_length_exceeded") is None
    assert learnt(call(), message, status=500) is None


CHAT = {"reasoning_effort": "max"}
MESSAGES = {"output_config": {"effort": "max"}, "thinking": {"type": "adaptive"}}


@pytest.mark.parametrize(
    ("message", "param"),
    [
        ("Unrecognized request argument supplied: reasoning_effort", None),
        ("Unsupported value: 'max' is not supported with this model.", "reasoning_effort"),
        ('think value "medium" is not supported for this model', None),
        ('"llama3" does not support thinking', None),
        ("{'loc': ('body', 'reasoning_effort'), 'msg': \"Input should be 'low'\"}", None),
    ],
)
def test_that_it_takes_no_effort(message, param):
    body, changed = learnt(call(**CHAT), message, param=param)
    assert body == call().body
    assert changed == ["reasoning_effort"]


def test_of_two_fields_the_lesser_goes_first():
    limits, asked = VendorLimits(), call(endpoint="messages", **MESSAGES)
    error = ApiError(400, "This model does not support the effort parameter.")
    for left in ({"thinking": {"type": "adaptive"}}, {}):
        assert limits.learn(limits.apply(asked, PAYER, TARGET)[0], PAYER, TARGET, error)
        body, changed = limits.apply(asked, PAYER, TARGET)[0].body, None
        assert body == {**call(endpoint="messages").body, **left}
    made, changed = limits.apply(asked, PAYER, TARGET)
    assert changed == ["output_config.effort", "thinking"]
    assert not limits.learn(made, PAYER, TARGET, error), "there is nothing left to do without"


def test_what_stands_beside_an_effort_stays():
    form = {"type": "json_schema", "schema": {}}
    asked = call(endpoint="messages", output_config={"effort": "max", "format": form})
    body, _ = learnt(asked, "This model does not support the effort parameter.")
    assert body["output_config"] == {"format": form}


@pytest.mark.parametrize(
    ("message", "param"),
    [
        ("messages.1.content.0: Invalid `signature` in `thinking` block", "messages"),
        ("thinking.budget_tokens: must be at least 1024", "thinking"),
        ("A word of the prompt is not allowed.", None),
    ],
)
def test_what_says_nothing_of_the_effort(message, param):
    assert learnt(call(endpoint="messages", **MESSAGES), message, param=param) is None


@pytest.mark.parametrize(
    "message",
    [
        "Logprobs is not enabled for models/gemini-2.5-pro",
        "Unable to submit request because Logprobs is not supported for this model.",
        "Unsupported parameter: 'logprobs' is not supported with this model.",
        "You are not allowed to request logprobs from this model.",
    ],
)
def test_that_it_has_no_log_probabilities(message):
    body, changed = learnt(call(logprobs=True, top_logprobs=3), message)
    assert body == call().body
    assert changed == ["top_logprobs", "logprobs"]


def test_too_many_log_probabilities_are_the_clients_to_lower():
    message = "top_logprobs must not be above 20, 21 is not supported"
    assert learnt(call(logprobs=True, top_logprobs=21), "Invalid top_logprobs: at most 20") is None
    assert learnt(call(), message) is None


def test_where_nothing_is_approximated_the_refusal_is_the_clients():
    message = "Unrecognized request argument supplied: reasoning_effort"
    assert learnt(call(unsupported="reject", **CHAT), message) is None


def test_another_call_payer_or_target_is_left_alone():
    limits = VendorLimits()
    assert limits.learn(call(), PAYER, TARGET, ApiError(400, "max_tokens must be at most 8192"))
    for asked, payer, target in (
        (call(8192), PAYER, TARGET),
        (call(None), PAYER, TARGET),
        (call(), 2, TARGET),
        (call(), PAYER, Target("up", "n")),
    ):
        assert limits.apply(asked, payer, target) == (asked, [])
