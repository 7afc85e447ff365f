"""Estimates of tokens: of text by its bytes, of media by a flat figure."""

import pytest

from tornado_router.endpoints.estimates import (
    IMAGE_TOKENS,
    MOST_VALUES,
    estimate_tokens,
    text_size,
    tokens_of,
)


def prompt_tokens(*content, **fields):
    return estimate_tokens([{"role": "user", "content": list(content)}, fields])


@pytest.mark.parametrize(("size", "tokens"), [(0, 0), (1, 1), (4, 1), (5, 2)])
def test_bytes_are_rounded_up(size, tokens):
    assert tokens_of(size) == tokens


@pytest.mark.parametrize("value", [None, {}, [], "", True])
def test_nothing_costs_nothing(value):
    assert estimate_tokens(value) == 0


def test_a_guess_counts_the_bytes_of_text():
    assert prompt_tokens({"type": "text", "text": "漢" * 400}) >= 300


def test_a_type_may_be_a_list_as_in_schemas():
    assert estimate_tokens({"type": ["string", "null"]}) == 3


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


def test_texts_and_tokens_in_lists():
    assert estimate_tokens("x" * 40) == 10
    assert estimate_tokens(["x" * 40, "y" * 40]) == 20
    assert estimate_tokens([[1, 2, 3], [4]]) == 4


def test_half_a_character_does_no_harm():
    assert prompt_tokens({"type": "text", "text": "\ud83d" * 8}) > 0


def test_text_of_a_response_is_found_at_any_depth():
    value = "x"
    for _ in range(5000):
        value = [{"content": value}]
    assert text_size(value) == 1
    while isinstance(value, list):  # or its end recurses, too
        value = value[0].pop("content")


def test_so_much_is_looked_at_of_a_list():
    assert text_size(["x"] * 2 * MOST_VALUES) == MOST_VALUES - 1


def test_the_search_for_it_ends():
    value = []
    value.append(value)
    assert text_size(value) == 0
