"""Blocks as parts: what is carried, told and refused."""

import pytest

from tests.messages import IMAGE, PDF, PNG, call, text
from tornado_router.endpoints.bridges.messages_to_chat.content import Blocks, joined
from tornado_router.errors import ProviderError
from tornado_router.provider import Params


def read(*blocks, unsupported="adapt"):
    asked = call(unsupported=unsupported)
    return Blocks(asked, Params(asked)).parts(list(blocks), "messages[0].content"), asked.dropped


def document(source, **fields):
    return {"type": "document", "source": source, **fields}


def test_images_become_urls():
    by_url = {"type": "image", "source": {"type": "url", "url": "https://example.org/a.png"}}
    parts, dropped = read(IMAGE, by_url)
    assert [part["image_url"]["url"] for part in parts] == [
        f"data:image/png;base64,{PNG}",
        "https://example.org/a.png",
    ]
    assert dropped == []


def test_a_pdf_stays_a_file_with_its_name():
    source = {"type": "base64", "media_type": "application/pdf", "data": PDF}
    data = f"data:application/pdf;base64,{PDF}"
    assert read(document(source))[0] == [
        {"type": "file", "file": {"filename": "document.pdf", "file_data": data}}
    ]
    assert read(document(source, title="a.pdf", context="Read it."))[0] == [
        text("Read it."),
        {"type": "file", "file": {"filename": "a.pdf", "file_data": data}},
    ]


def test_documents_of_text_become_text():
    plain = {"type": "text", "media_type": "text/plain", "data": "The grass is green."}
    assert read(document(plain, title="Grass"))[0] == [text("Grass\n\nThe grass is green.")]
    blocks = {"type": "content", "content": [text("a"), IMAGE]}
    made = read(document(blocks, title="T"))[0]
    assert [part["type"] for part in made] == ["text", "text", "image_url"]


def test_a_search_result_is_text_with_its_source():
    block = {
        "type": "search_result",
        "title": "T",
        "source": "https://a.example",
        "content": [text("x"), text("y")],
    }
    assert read(block)[0] == [text("T\nhttps://a.example\n\nx\n\ny")]


def test_blank_text_is_left_out():
    assert read(text(""), text(" \n"), text("a"))[0] == [text("a")]


def test_marks_of_the_cache_are_told_once():
    mark = {"cache_control": {"type": "ephemeral"}}
    assert read(text("a", **mark), text("b", **mark)) == ([text("a"), text("b")], ["cache_control"])


def test_a_block_of_tomorrow_with_text_is_that_text():
    assert read({"type": "news", "text": "x"})[0] == [text("x")]


@pytest.mark.parametrize(
    ("block", "path"),
    [
        (document({"type": "url", "url": "https://example.org/a.pdf"}), ".source"),
        (document({"type": "file", "file_id": "f"}), ".source"),
        ({"type": "image", "source": {"type": "file", "file_id": "f"}}, ".source"),
        ({"type": "container_upload", "file_id": "f"}, ""),
        ({"type": "video"}, ""),
    ],
)
def test_what_the_model_would_not_see_is_refused_by_its_place(block, path):
    with pytest.raises(ProviderError) as refused:
        read(text("a"), block)
    assert refused.value.param == f"messages[0].content[1]{path}"
    parts, dropped = read(text("a"), block, unsupported="drop")
    assert (parts, dropped) == ([text("a")], [f"messages[0].content[1]{path}"])


def test_citations_are_approximated():
    source = {"type": "text", "media_type": "text/plain", "data": "x"}
    block = document(source, citations={"enabled": True})
    assert read(block)[1] == ["messages.citations"]
    with pytest.raises(ProviderError) as refused:
        read(block, unsupported="reject")
    assert refused.value.param == "messages.citations"


def test_text_alone_is_one_text_and_beside_an_image_a_part():
    image = read(IMAGE)[0]
    assert joined([text("a"), text("b")]) == "a\n\nb"
    assert joined([text("a"), *image]) == [text("a"), *image]
