"""Usage, as vendors tell it and as it is guessed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tornado_router.usage import IMAGE_TOKENS, MAX_TOKENS, Usage, estimate_usage, read_usage

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
    assert Usage(11, 7, 3, 0, 2).body() == {
        "prompt_tokens": 11,
        "completion_tokens": 7,
        "total_tokens": 18,
    }


def prompt_tokens(*content, **fields):
    body = {"model": "m", "messages": [{"role": "user", "content": list(content)}], **fields}
    return estimate_usage(body, 0).prompt_tokens


def test_a_guess_says_that_it_is_one():
    body = {"messages": [{"role": "user", "content": "x" * 400}]}
    usage = estimate_usage(body, 40)
    assert usage.estimated
    assert 100 <= usage.prompt_tokens <= 102  # and the role
    assert usage.completion_tokens == 10


def test_nothing_costs_nothing():
    assert estimate_usage({}, 0) == Usage(0, 0, estimated=True)


def test_a_guess_counts_the_bytes_of_text():
    assert prompt_tokens({"type": "text", "text": "漢" * 400}) >= 300


def test_tools_count():
    tool = {"type": "function", "function": {"name": "f", "description": "d" * 400}}
    assert prompt_tokens({"type": "text", "text": "x"}, tools=[tool]) > 100


@pytest.mark.parametrize(
    "part",
    [
        {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 1_000_000}},
        {"type": "input_audio", "input_audio": {"data": "A" * 1_000_000, "format": "wav"}},
        {"type": "file", "file": {"file_data": "A" * 1_000_000}},
    ],
)
def test_data_is_never_counted_as_text(part):
    assert prompt_tokens(part) <= IMAGE_TOKENS + 10


def test_each_image_counts():
    part = {"type": "image_url", "image_url": {"url": "https://x/y.png"}}
    assert prompt_tokens(part, part) >= 2 * IMAGE_TOKENS


def test_embeddings_of_texts_and_of_tokens():
    assert estimate_usage({"input": "x" * 40}, 0).prompt_tokens == 10
    assert estimate_usage({"input": ["x" * 40, "y" * 40]}, 0).prompt_tokens == 20
    assert estimate_usage({"input": [[1, 2, 3], [4]]}, 0).prompt_tokens == 4


def test_half_a_character_does_no_harm():
    assert prompt_tokens({"type": "text", "text": "\ud83d" * 8}) > 0
