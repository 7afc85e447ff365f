"""OpenAI's usage object, as vendors report it and as clients get it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tornado_router.endpoints.openai_usage import MAX_TOKENS, read_usage, usage_body
from tornado_router.usage import Usage

FULL = {
    "prompt_tokens": 11,
    "completion_tokens": 7,
    "total_tokens": 18,
    "prompt_tokens_details": {"cached_tokens": 3, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 2},
}


def test_reads_what_openai_sends():
    assert read_usage(FULL) == Usage(
        prompt_tokens=11, completion_tokens=7, cached_tokens=3, reasoning_tokens=2
    )


def test_zero_is_believed():
    usage = read_usage({"prompt_tokens": 0, "completion_tokens": 0})
    assert usage == Usage(0, 0)
    assert usage.estimated is False


@pytest.mark.parametrize("value", [None, {}, [], "11", 11, {"completion_tokens": 7}])
def test_what_is_not_there_is_not_zero(value):
    assert read_usage(value) is None


def test_embeddings_have_no_completion():
    assert read_usage({"prompt_tokens": 5, "total_tokens": 5}) == Usage(5, 0)


@pytest.mark.parametrize("name", ["prompt_tokens", "completion_tokens"])
@pytest.mark.parametrize(
    "wrong", [-1, True, False, 1.0, 1.5, "11", None, [], MAX_TOKENS + 1, 10**30, float("nan")]
)
def test_what_cannot_be_true_is_not_believed(name, wrong):
    assert read_usage({**FULL, name: wrong}) is None


def test_the_most_that_is_believed():
    assert read_usage({**FULL, "prompt_tokens": MAX_TOKENS}).prompt_tokens == MAX_TOKENS


@pytest.mark.parametrize(
    "details", [None, {}, [], 5, "x", {"cached_tokens": None}, {"cached_tokens": -4}]
)
def test_details_may_be_missing_or_odd(details):
    usage = read_usage({**FULL, "prompt_tokens_details": details})
    assert usage == Usage(11, 7, cached_tokens=0, reasoning_tokens=2)


def test_details_are_never_more_than_what_they_are_part_of():
    usage = read_usage(
        {
            "prompt_tokens": 5,
            "completion_tokens": 6,
            "prompt_tokens_details": {"cached_tokens": 50},
            "completion_tokens_details": {"reasoning_tokens": 60},
        }
    )
    assert usage == Usage(5, 6, cached_tokens=5, reasoning_tokens=6)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from([*FULL]), inner),
    max_leaves=8,
)


@given(anything)
def test_whatever_a_vendor_sends_is_read_or_left(value):
    usage = read_usage(value)
    assert usage is None or (
        0 <= usage.cached_tokens <= usage.prompt_tokens <= MAX_TOKENS
        and 0 <= usage.reasoning_tokens <= usage.completion_tokens <= MAX_TOKENS
    )


def test_body_is_openais_object():
    assert usage_body(Usage(11, 7, 3, 0, 2)) == {
        "prompt_tokens": 11,
        "completion_tokens": 7,
        "total_tokens": 18,
    }


def test_media_are_parts_of_their_own_and_no_token_is_in_two():
    usage = read_usage(
        {
            "prompt_tokens": 100,
            "completion_tokens": 50,
            "prompt_tokens_details": {"cached_tokens": 30, "audio_tokens": 40, "image_tokens": 90},
            "completion_tokens_details": {"reasoning_tokens": 10, "audio_tokens": 45},
        }
    )
    assert (usage.audio_prompt_tokens, usage.image_prompt_tokens) == (40, 30)
    assert (usage.audio_completion_tokens, usage.image_completion_tokens) == (40, 0)
