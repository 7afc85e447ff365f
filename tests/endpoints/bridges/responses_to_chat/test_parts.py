"""Parts of messages: what a chat completion has of each, and the path of what it has not."""

import pytest

from tornado_router.endpoints.bridges.responses_to_chat.parts import plain
from tornado_router.errors import ProviderError

from .exchange import BRIDGE, call, made, messages

IMAGE = "data:image/png;base64,AAAA"


def user(*parts):
    (message,) = messages({"role": "user", "content": list(parts)})
    return message["content"]


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        (
            {"type": "input_image", "image_url": IMAGE, "detail": "low"},
            {"type": "image_url", "image_url": {"url": IMAGE, "detail": "low"}},
        ),
        (
            {"type": "input_image", "image_url": IMAGE, "detail": "original"},
            {"type": "image_url", "image_url": {"url": IMAGE, "detail": "high"}},
        ),
        (
            {"type": "input_image", "image_url": IMAGE, "detail": "auto", "file_id": None},
            {"type": "image_url", "image_url": {"url": IMAGE, "detail": "auto"}},
        ),
        (
            {
                "type": "input_file",
                "filename": "a.pdf",
                "file_data": "data:application/pdf;base64,",
            },
            {
                "type": "file",
                "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,"},
            },
        ),
        (
            {"type": "input_file", "file_id": "file-1"},
            {"type": "file", "file": {"file_id": "file-1"}},
        ),
        (
            {"type": "input_audio", "input_audio": {"data": "AA", "format": "wav"}},
            {"type": "input_audio", "input_audio": {"data": "AA", "format": "wav"}},
        ),
        (
            {"type": "input_text", "text": "x", "prompt_cache_breakpoint": {"mode": "explicit"}},
            {"type": "text", "text": "x", "prompt_cache_breakpoint": {"mode": "explicit"}},
        ),
    ],
)
def test_a_part_is_carried(part, expected):
    assert user(part) == [expected]


def test_one_text_is_a_text():
    assert user({"type": "input_text", "text": "x"}) == "x"


def test_texts_and_images_keep_their_order():
    content = user(
        {"type": "input_text", "text": "a"},
        {"type": "input_image", "image_url": IMAGE, "detail": "auto"},
        {"type": "input_text", "text": "b"},
    )
    assert [part["type"] for part in content] == ["text", "image_url", "text"]


@pytest.mark.parametrize(
    ("part", "param"),
    [
        ({"type": "input_image", "file_id": "file-1", "detail": "auto"}, "file_id"),
        ({"type": "input_file", "file_url": "https://example.org/a.pdf"}, "file_url"),
        ({"type": "input_video", "video": "x"}, ""),
    ],
)
def test_what_would_be_lost_is_refused_by_its_path(part, param):
    given = [{"role": "user", "content": [{"type": "input_text", "text": "x"}, part]}]
    path = "input[0].content[1]" + (f".{param}" if param else "")
    with pytest.raises(ProviderError) as refused:
        made(given)
    assert (refused.value.status, refused.value.param) == (400, path)
    asked = call(given, unsupported="drop")
    assert BRIDGE.call(asked).body["messages"] == [{"role": "user", "content": "x"}]
    assert asked.dropped == [path]


def test_the_system_takes_texts_alone():
    image = {"type": "input_image", "image_url": IMAGE, "detail": "auto"}
    with pytest.raises(ProviderError) as refused:
        made([{"role": "developer", "content": [image]}])
    assert refused.value.param == "input[0].content[0]"


def test_texts_are_joined_where_there_is_something_between_them():
    texts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    assert plain(texts, "-") == "a-b"
    assert plain(texts) == texts
