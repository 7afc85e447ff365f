"""Which refusals of vendors lift a bound that the router has set."""

import pytest

from tornado_router.calls.sent_bounds import SentBounds
from tornado_router.config.options import LimitsOptions
from tornado_router.endpoints import ENDPOINTS
from tornado_router.errors import ApiError
from tornado_router.routing.output_length import OutputBounds
from tornado_router.routing.routes import Target

TARGET = Target("up", "m")


def lifted(tokens, message, code=None, param=None, status=400):
    """Whether a refusal lifts a bound, and from which bound on the target gets none any more."""
    known = OutputBounds(LimitsOptions())
    bounds = SentBounds(ENDPOINTS["chat.completions"], {TARGET: tokens}, known)
    is_lifted = bounds.lift(TARGET, ApiError(status, message, code=code, param=param))
    return is_lifted, min(known.ceiling(TARGET), 1_000_000) if is_lifted else None


@pytest.mark.parametrize(
    "message",
    [
        "max_tokens: 31000 > 16384, which is the maximum allowed number of output tokens",
        "max_tokens is too large: 31000. This model supports at most 16384 completion tokens",
        "the model has a maxOutputTokens value of 31000 but the supported range is to 8193",
    ],
)
def test_one_that_names_the_bound_and_its_number(message):
    assert lifted(31_000, message) == (True, 31_000)


@pytest.mark.parametrize(
    ("tokens", "message", "code"),
    [
        (128, "This model's maximum context length is 128000 tokens.", None),
        (900, "you requested 4400 tokens (3500 in the messages, 900 in the completion).", None),
        (900, "max_tokens 900 and 3500 of the prompt are too many", "context_length_exceeded"),
        (900, "max_tokens must be at most 9000", None),
        (900, "the word 900 of your prompt is not allowed", None),
    ],
)
def test_no_other_does(tokens, message, code):
    assert lifted(tokens, message, code) == (False, None)


def test_a_low_bound_is_lifted_for_one_call_only():
    is_lifted, ceiling = lifted(300, "max_tokens: 300 is too large")
    assert is_lifted
    assert ceiling > 300
