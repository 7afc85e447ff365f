from __future__ import annotations

import pytest

from tornado_router.provider import ProviderError

from .support import assistant, image, make_call, result, system, text, tool, tool_call, user

PNG = "data:image/png;base64,iVBORw0KGgo="
PDF = "JVBERi0xLjQK"


def block(claude, part, **how):
    return claude.body(user([text("x"), part]), **how)["messages"][0]["content"][1]


@pytest.mark.parametrize(
    ("url", "source"),
    [
        (PNG, {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}),
        (
            "DATA:image/JPG;charset=x;base64,/9j/",
            {"type": "base64", "media_type": "image/jpeg", "data": "/9j/"},
        ),
        *(
            (
                f"data:{label};base64,iVBORw0KGgo=",
                {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="},
            )
            for label in ("image/jpeg", "image/tiff", "application/octet-stream", "")
        ),
        (
            "data:image/png;base64,/9j/4AAQ",
            {"type": "base64", "media_type": "image/jpeg", "data": "/9j/4AAQ"},
        ),
        ("https://example.com/a.gif?b=,", {"type": "url", "url": "https://example.com/a.gif?b=,"}),
    ],
)
def test_an_image(claude, url, source):
    assert block(claude, image(url)) == {"type": "image", "source": source}


@pytest.mark.parametrize(
    "url",
    ["http://example.com/a.png", "data:image/tiff;base64,AAAA", "data:image/png,raw", "", "x"],
)
def test_an_image_that_the_vendor_does_not_take(claude, url):
    with pytest.raises(ProviderError) as refused:
        block(claude, image(url))
    assert refused.value.param == "messages[0].content[1].image_url.url"
    call = make_call(user([text("x"), image(url)]), unsupported="drop")
    assert claude.body(call=call)["messages"] == [user("x")]
    assert call.dropped == ["messages[0].content[1].image_url.url"]


@pytest.mark.parametrize("data", [PDF, f"data:application/pdf;base64,{PDF}"])
def test_a_file(claude, data):
    part = {"type": "file", "file": {"file_data": data, "filename": "a.pdf"}}
    source = {"type": "base64", "media_type": "application/pdf", "data": PDF}
    assert block(claude, part) == {"type": "document", "source": source, "title": "a.pdf"}


@pytest.mark.parametrize(
    ("file", "field"),
    [
        ({"file_id": "file-1"}, "file_id"),
        ({"file_data": "data:text/csv;base64,YQ=="}, "file_data"),
        ({"file_data": "YQ=="}, "file_data"),
    ],
)
def test_a_file_that_the_vendor_does_not_take(claude, file, field):
    with pytest.raises(ProviderError) as refused:
        block(claude, {"type": "file", "file": file})
    assert refused.value.param == f"messages[0].content[1].file.{field}"


def test_sound_is_refused(claude):
    part = {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}
    with pytest.raises(ProviderError) as refused:
        block(claude, part)
    assert refused.value.param == "messages[0].content[1]"


CONTROL = {"type": "ephemeral", "ttl": "1h"}


def test_marks_for_the_cache_pass_through(claude):
    body = claude.body(
        system([text("a", cache_control=CONTROL)]),
        user([text("b", cache_control=CONTROL), {**image(PNG), "cache_control": CONTROL}]),
        tools=[{**tool(), "cache_control": CONTROL}],
    )
    assert body["system"] == [text("a", cache_control=CONTROL)]
    assert [item["cache_control"] for item in body["messages"][0]["content"]] == [CONTROL, CONTROL]
    assert body["tools"][0]["cache_control"] == CONTROL


def test_marks_of_messages_and_of_the_request_pass_through(claude):
    body = claude.body(
        user("x"),
        {**assistant("c", tool_call("t")), "cache_control": CONTROL},
        {**result("t"), "cache_control": CONTROL},
        {**user("d"), "cache_control": CONTROL},
        tools=[tool()],
        cache_control={"type": "ephemeral"},
    )
    _, reply, last = (turn["content"] for turn in body["messages"])
    assert reply[0] == text("c", cache_control=CONTROL)
    assert [item["cache_control"] for item in last] == [CONTROL, CONTROL]
    assert body["cache_control"] == {"type": "ephemeral"}


@pytest.mark.parametrize(
    ("mark", "control"),
    [
        ({"mode": "explicit"}, {"type": "ephemeral"}),
        ({"mode": "explicit", "ttl": "30m"}, {"type": "ephemeral", "ttl": "1h"}),
    ],
)
def test_openais_mark_for_the_cache_is_one(claude, mark, control):
    assert block(claude, text("y", prompt_cache_breakpoint=mark))["cache_control"] == control


def test_images_in_tool_results(claude):
    # Beyond OpenAI's schema, but clients send them; the core may let them pass some day.
    call = make_call(user("x"), assistant(None, tool_call("a")), result("a"), tools=[tool()])
    call.body["messages"][2]["content"] = [text("see"), image(PNG)]
    found = claude.body(call=call)["messages"][2]["content"][0]
    assert [item["type"] for item in found["content"]] == ["text", "image"]
