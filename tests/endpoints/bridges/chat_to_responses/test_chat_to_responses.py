"""The bridge: what a refusal of the vendor's names is what the client sent."""

import pytest

from tests.endpoints.bridges.chat_to_responses.asked import BRIDGE


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("input[3].content[0].image_url", "messages"),
        ("max_output_tokens", "max_completion_tokens"),
        ("reasoning.effort", "reasoning_effort"),
        ("reasoning.summary", "reasoning_effort"),
        ("text.format.schema", "response_format"),
        ("text.verbosity", "verbosity"),
        ("include[0]", "logprobs"),
        ("tools[0].parameters", "tools[0].parameters"),
        ("temperature", "temperature"),
    ],
)
def test_names_of_fields(path, name):
    assert BRIDGE.param(path) == name
