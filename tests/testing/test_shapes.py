import pytest

from tornado_router.testing import shapes


def chunk(delta=None, reason=None, index=0, **fields):
    choice = {"index": index, "delta": delta or {}, "finish_reason": reason}
    return {"id": "c", "created": 1, "model": "m", "choices": [choice], **fields}


def test_join_is_what_a_client_puts_together():
    fragment = {"index": 0, "id": "1", "type": "function"}
    chunks = [
        chunk({"role": "assistant", "content": ""}),
        chunk({"content": "Hel"}),
        chunk({"content": "lo"}),
        chunk({"role": "assistant", "content": "Two"}, index=1),
        chunk({"tool_calls": [{**fragment, "function": {"name": "f", "arguments": ""}}]}),
        chunk({"tool_calls": [{"index": 0, "function": {"arguments": "{}"}}]}),
        chunk({}, "tool_calls"),
        chunk({}, "stop", index=1),
        {"id": "c", "choices": [], "usage": {"prompt_tokens": 1}},
    ]
    answer = shapes.joined(chunks)
    first, second = answer["choices"]
    assert first["message"] == {
        "role": "assistant",
        "content": "Hello",
        "tool_calls": [
            {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
        ],
    }
    assert (first["finish_reason"], second["finish_reason"]) == ("tool_calls", "stop")
    assert second["message"]["content"] == "Two"
    assert answer["usage"] == {"prompt_tokens": 1}
    assert shapes.content(answer) == "Hello"


@pytest.mark.parametrize("chunks", [[], [{}], [{"choices": 5}], [{"choices": [None]}]])
def test_nonsense_is_joined_to_nothing(chunks):
    assert shapes.joined(chunks)["choices"] == []


def test_made_up_ids_are_masked_and_stay_apart():
    one = [{"id": "a", "calls": [{"id": "x"}, {"id": "y"}]}, {"id": "a", "created": 5}]
    two = [{"id": "b", "calls": [{"id": "p"}, {"id": "q"}]}, {"id": "b", "created": 6}]
    mixed = [{"id": "b", "calls": [{"id": "p"}, {"id": "p"}]}, {"id": "b", "created": 6}]
    assert shapes.masked(one) == shapes.masked(two)
    assert shapes.masked(one) != shapes.masked(mixed)
    assert one[0]["id"] == "a"


USAGE = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}


@pytest.mark.parametrize(
    "usage",
    [
        USAGE,
        {**USAGE, "prompt_tokens_details": None},
        {**USAGE, "prompt_tokens_details": {"cached_tokens": 3, "audio_tokens": None}},
    ],
)
def test_usage_that_adds_up(usage):
    assert shapes.usage_fault(usage) is None


@pytest.mark.parametrize(
    ("usage", "fault"),
    [
        (None, "no `usage`"),
        ({}, "`usage.prompt_tokens` is None"),
        ({**USAGE, "completion_tokens": -2}, "is -2, which is not a count"),
        ({**USAGE, "prompt_tokens": 3.0}, "is 3.0, which is not a count"),
        ({**USAGE, "total_tokens": True}, "is True, which is not a count"),
        ({**USAGE, "total_tokens": 6}, "the sum is 5"),
        ({**USAGE, "prompt_tokens_details": {"cached_tokens": 4}}, "more than `prompt_tokens`"),
        ({**USAGE, "completion_tokens_details": {"reasoning_tokens": "1"}}, "not a count"),
    ],
)
def test_usage_that_does_not(usage, fault):
    assert fault in shapes.usage_fault(usage)


def test_embeddings_have_no_completion():
    usage = {"prompt_tokens": 3, "total_tokens": 3}
    assert shapes.usage_fault(usage, completion=False) is None
    assert shapes.usage_fault(usage)


def test_misfit_names_the_place():
    assert shapes.misfit("chat.completions.chunk", chunk(object="chat.completion.chunk")) is None
    fault = shapes.misfit("chat.completions.chunk", {**chunk(), "object": "x", "id": 1})
    assert fault.startswith("`id` does not fit")
