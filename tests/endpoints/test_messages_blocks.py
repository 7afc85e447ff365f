"""The blocks of Anthropic's messages: media among them, and what they come to in tokens."""

import orjson

from tornado_router.endpoints.messages_blocks import (
    all_blocks,
    count_high,
    estimate_prompt,
    media_of,
)

TEXT = {"type": "text", "text": "x" * 400}
IMAGE = {"type": "image", "source": {"type": "base64", "data": "A" * 1_000_000}}
PDF = {"type": "document", "source": {"type": "base64", "data": "A" * 250_000}}
PLAIN = {"type": "document", "source": {"type": "text", "data": "x" * 400}}


def body(*content, **fields):
    return {"messages": [{"role": "user", "content": list(content)}], **fields}


def result(*content):
    return {"type": "tool_result", "tool_use_id": "t", "content": list(content)}


def test_media_are_found_in_messages_and_in_results_of_tools():
    upload = {"type": "container_upload", "file_id": "f"}
    found = media_of(body(TEXT, IMAGE, PLAIN, PDF, result(TEXT, IMAGE, PLAIN), upload))
    assert found == [IMAGE, PDF, IMAGE, upload]


def test_the_data_of_media_is_no_text():
    assert estimate_prompt(body(TEXT)) == 102  # with the names of role and type
    assert 700 < estimate_prompt(body(IMAGE)) < 900
    assert 9000 < estimate_prompt(body(PDF)) < 9100
    assert 3000 < estimate_prompt(body({"type": "document", "source": {"type": "url"}})) < 3100


def test_system_tools_and_results_count():
    small = estimate_prompt(body())
    tools = [{"name": "n", "input_schema": {"description": "x" * 400}}]
    assert estimate_prompt(body(result(TEXT))) > small + 100
    assert estimate_prompt(body(tools=tools)) > small + 100
    assert estimate_prompt(body(system=[TEXT])) > small + 100
    assert estimate_prompt(body(PLAIN)) > small + 100


def count(*content, model="gpt", **fields):
    asked = body(*content, **fields)
    return count_high(orjson.dumps(asked), asked, model)


def test_a_count_errs_high_and_leaves_nothing_out():
    few, many = {"type": "text", "text": "x" * 40}, {"type": "text", "text": "x" * 4000}
    small = count(few)
    assert count(many) > small + 4000 / 4
    assert count(many, model="claude-opus-5-5") > count(many)
    assert count(few, result(many)) > small + 1000
    assert count(few, {"type": "tool_use", "id": "t", "name": "n", "input": many}) > small + 1000
    assert count(few, {"type": "thinking", "thinking": "x" * 4000, "signature": ""}) > small + 1000
    assert count(few, tools=[{"name": "n", "input_schema": many}]) > small + 1000
    assert count(few, system=[many]) > small + 1000
    assert count(few, result(IMAGE)) > small + 1500


def test_a_count_takes_no_data_for_text():
    assert count(IMAGE) < 2000
    assert count(PDF) < 10_000
    assert count({"type": "thinking", "thinking": "x", "signature": "s" * 9000}) < 100
    assert count({"type": "redacted_thinking", "data": "s" * 9000}) < 100


def test_odd_ones_are_passed_over():
    odd = {"messages": [{"role": "odd"}, {"role": "odd", "content": [1, None, {"type": []}]}]}
    assert list(all_blocks(odd)) == [{"type": []}]
    assert media_of(body({"type": "image", "source": 1})) == [{"type": "image", "source": 1}]
    assert estimate_prompt(body({"type": "document", "source": 1})) > 3000
