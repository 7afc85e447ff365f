"""Anthropic's `usage`: what was cached is part of the prompt, and not of its `input_tokens`."""

import pytest

from tornado_router.endpoints.anthropic_usage import merge_usage, read_usage, usage_body
from tornado_router.usage import Usage

FULL = {
    "input_tokens": 10,
    "cache_read_input_tokens": 100,
    "cache_creation_input_tokens": 20,
    "output_tokens": 7,
    "output_tokens_details": {"thinking_tokens": 3},
}


def test_the_prompt_is_the_sum_of_three():
    assert read_usage(FULL) == Usage(130, 7, 100, 20, 3)
    assert read_usage({"input_tokens": 1, "output_tokens": 0}) == Usage(1, 0)


def test_what_was_written_may_be_told_by_time_to_live_alone():
    parts = {"ephemeral_5m_input_tokens": 4, "ephemeral_1h_input_tokens": 5}
    usage = {"input_tokens": 1, "output_tokens": 2, "cache_creation": parts}
    assert read_usage(usage) == Usage(10, 2, 0, 9)
    assert read_usage({**usage, "cache_creation_input_tokens": 3}) == Usage(4, 2, 0, 3)


@pytest.mark.parametrize(
    "odd",
    [
        None,
        [],
        {},
        {"input_tokens": 1},
        {"input_tokens": -1, "output_tokens": 1},
        {"input_tokens": True, "output_tokens": 1},
    ],
)
def test_what_is_no_usage_is_none(odd):
    assert read_usage(odd) is None


def test_no_more_thoughts_are_counted_than_there_is_output():
    usage = {**FULL, "output_tokens_details": {"thinking_tokens": 30}}
    assert read_usage(usage).reasoning_tokens == 7


def test_a_client_gets_what_was_read():
    assert read_usage(usage_body(Usage(130, 7, 100, 20))) == Usage(130, 7, 100, 20)


def test_later_counts_of_a_stream_replace_earlier_ones_but_for_zeros_of_the_input():
    known = {}
    merge_usage(known, {"input_tokens": 5, "cache_read_input_tokens": 0, "output_tokens": 1})
    merge_usage(known, {"input_tokens": 0, "cache_read_input_tokens": 3, "output_tokens": 9})
    merge_usage(known, {"cache_read_input_tokens": None})
    merge_usage(known, "odd")
    assert known == {"input_tokens": 5, "cache_read_input_tokens": 3, "output_tokens": 9}
