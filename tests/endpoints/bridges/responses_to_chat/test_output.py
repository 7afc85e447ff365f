"""The text for a custom tool, read out of arguments as they come."""

import json

import pytest

from tornado_router.endpoints.bridges.responses_to_chat import output
from tornado_router.endpoints.bridges.responses_to_chat.output import InputReader, whole_input
from tornado_router.endpoints.bridges.responses_to_chat.tools import FUNCTION, Tool

TEXTS = ["", "a", 'a "b" \\ /\n\t', "é漢🎉\u2028", "*** Begin Patch\n+x\n", "\\u0041 {}"]


def read(pieces):
    reader = InputReader()
    return [reader.feed(piece) for piece in pieces], reader.sent()


@pytest.mark.parametrize("ascii_only", [True, False])
@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("size", [1, 2, 3, 1000])
def test_a_text_is_read_wherever_it_is_cut(text, size, ascii_only):
    arguments = json.dumps({"input": text}, ensure_ascii=ascii_only)
    pieces = [arguments[at : at + size] for at in range(0, len(arguments), size)]
    assert read(pieces)[1] == text
    assert whole_input(arguments, text) == text


def test_no_letter_is_sent_before_it_is_known():
    assert read(['{"input":"\\', "u00", "e9\\ud83c", "\\udf89x"])[0] == ["", "", "é", "🎉x"]


def test_what_comes_behind_the_text_is_not_of_it():
    assert read(['{"input":"a"', ',"b":"c"}'])[1] == "a"


def test_a_line_that_is_not_escaped_is_of_the_text():
    assert read(['{"input":"a\nb\\n"}'])[1] == "a\nb\n"


@pytest.mark.parametrize("arguments", ["*** Begin Patch", '{"patch":"x"}', '["input"]', ""])
def test_other_arguments_are_not_read_early(arguments):
    assert read(list(arguments))[1] == ""


@pytest.mark.parametrize(
    ("arguments", "sent", "text"),
    [
        ('{"input":"ab"}', "ab", "ab"),
        ('{"input":"ab', "ab", "ab"),
        ('{"input":"\\q"}', "", '{"input":"\\q"}'),
        ('{"input":"a","input":"b"}', "a", "a"),
        ("plain", "", "plain"),
        ('{"code":"x"}', "", "x"),
    ],
)
def test_the_whole_text_goes_on_from_what_was_sent(arguments, sent, text):
    assert whole_input(arguments, sent) == text


@pytest.mark.parametrize("begin", ["", '{"input":"a\\u00'])
def test_what_no_text_can_come_of_is_not_kept(begin):
    reader = InputReader()
    reader.feed(begin)
    for _ in range(100):
        reader.feed(" zz")
    assert len(reader._left) < 100


def test_arguments_that_are_not_whole_are_read_again_once_there_are_more(monkeypatch):
    read = []

    def loads(text):
        read.append(text)
        return json.loads(text)

    monkeypatch.setattr(output, "loads", loads)
    item = output.ToolCall(Tool(FUNCTION, "f"), "c", 0, "r")
    item.argue("{", [])
    assert [item.is_whole() for _ in range(3)] == [False] * 3
    item.argue("}", [])
    assert item.is_whole()
    assert read == ["{", "{}"]
