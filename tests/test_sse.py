"""Server-sent events, cut wherever a network may cut them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tornado_router import sse
from tornado_router.errors import ProviderError
from tornado_router.sse import Decoder, Event


def decode(*pieces):
    """The events of a stream that ended."""
    decoder = Decoder()
    events = [event for piece in pieces for event in decoder.feed(piece)]
    return events + decoder.finish()


def complete(*pieces):
    """The events of a stream that goes on."""
    decoder = Decoder()
    return [event for piece in pieces for event in decoder.feed(piece)]


def data(*pieces):
    return [event.data for event in decode(*pieces)]


# Any byte but those that end a line, and some text that people split wrongly.
line_bytes = st.binary(max_size=12).map(lambda line: line.translate(None, b"\r\n")) | (
    st.sampled_from(['{"a":"\u2028\x85\x0b"}'.encode(), b": no comment", b"[DONE]", b" two spaces"])
)
names = st.just("") | st.text(st.characters(exclude_characters="\r\n", codec="utf-8"), min_size=1)
comments = st.lists(st.sampled_from([b":", b": ping", b"id: 7", b"retry: 10", b"data_", b"x"]))


@st.composite
def streams(draw):
    """Some events, and the bytes that a vendor with odd habits may send for them."""
    events, raw = [], draw(st.sampled_from([b"", b"\xef\xbb\xbf"]))
    for _ in range(draw(st.integers(0, 4))):
        lines, name = draw(st.lists(line_bytes, min_size=1, max_size=3)), draw(names)
        events.append(Event(b"\n".join(lines), name))
        end = draw(st.sampled_from([b"\n", b"\r", b"\r\n"]))
        fields = [b"data: " + line for line in lines]
        if name:
            fields.insert(draw(st.integers(0, len(fields))), b"event: " + name.encode())
        for comment in draw(comments):
            fields.insert(draw(st.integers(0, len(fields))), comment)
        raw += b"".join(field + end for field in fields) + end
    return events, raw


@given(streams(), st.data())
def test_any_split_gives_the_same_events(stream, choose):
    events, raw = stream
    cuts = sorted(choose.draw(st.lists(st.integers(0, len(raw)), max_size=8)))
    pieces = [raw[a:b] for a, b in zip([0, *cuts], [*cuts, len(raw)], strict=True)]
    assert decode(*pieces) == events


@given(streams())
def test_byte_by_byte_gives_the_same_events(stream):
    events, raw = stream
    assert decode(*(raw[i : i + 1] for i in range(len(raw)))) == events


@given(line_bytes)
def test_what_is_encoded_is_decoded(line):
    assert decode(sse.encode(line)) == [Event(line)]


def test_an_event_is_there_as_soon_as_it_is_complete():
    decoder = Decoder()
    assert decoder.feed(b"data: a\n") == []
    assert decoder.feed(b"\ndata: b") == [Event(b"a")]
    assert decoder.feed(b"\r\r") == [Event(b"b")]


def test_bom_is_skipped_at_the_start_only():
    assert data(b"\xef\xbb\xbfdata: a\n\n") == [b"a"]
    assert data(b"\xef", b"\xbb", b"\xbfdata: a\n\n") == [b"a"]
    assert data(b"data: a\n\n\xef\xbb\xbfdata: b\n\n") == [b"a"]  # a field of another name


def test_cr_at_the_end_of_a_piece_is_one_line_end_with_the_lf_that_follows():
    assert complete(b"data: a\r", b"\ndata: b\r", b"\n\r", b"\n") == [Event(b"a\nb")]
    assert complete(b"data: a\r", b"", b"\ndata: b\r\n\r\n") == [Event(b"a\nb")]


def test_cr_alone_ends_lines():
    assert complete(b"data: a\rdata: b\r\r", b"data: c\r\r") == [Event(b"a\nb"), Event(b"c")]


def test_data_without_a_space_and_with_two():
    assert data(b"data:a\n\ndata:  b\n\n") == [b"a", b" b"]


def test_data_without_a_value_is_an_empty_line():
    assert data(b"data\n\ndata:\ndata: x\n\n") == [b"", b"\nx"]


def test_lines_of_data_are_joined_by_lf():
    assert data(b'data: {\r\ndata: "a": 1}\r\n\r\n') == [b'{\n"a": 1}']


@pytest.mark.parametrize("character", ["\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c"])
def test_only_cr_and_lf_end_a_line(character):
    text = f'{{"a":"{character}"}}'.encode()
    assert data(b"data: " + text + b"\n\n") == [text]
    assert data(b"data: x\n\ndata: " + text + b"\n\n") == [b"x", text]


def test_names_belong_to_one_event():
    events = decode(
        b"event: message_start\ndata: a\n\n", b"data: b\n\n", b"data: c\nevent: end\n\n"
    )
    assert events == [Event(b"a", "message_start"), Event(b"b"), Event(b"c", "end")]


def test_a_name_without_data_is_no_event_and_names_nothing_else():
    assert decode(b"event: ping\n\n", b"data: a\n\n") == [Event(b"a")]


def test_comments_and_other_fields_are_skipped():
    assert data(b": ping\n\n: pong\ndata: a\nid: 3\nretry: 5\ndatum: x\n\n") == [b"a"]


def test_the_last_event_may_lack_its_blank_line_or_its_line_end():
    assert data(b"data: a\n\ndata: b\n") == [b"a", b"b"]
    assert data(b"data: a\n\ndata: b") == [b"a", b"b"]
    assert data(b"data: a\n\n") == [b"a"]


def test_done_is_what_openai_sends():
    assert data(sse.DONE) == [b"[DONE]"]


@pytest.mark.parametrize(
    "piece",
    [b"x" * 65536, b"data: " + b"x" * 65529 + b"\n", (b": " + b"x" * 1021 + b"\n") * 64],
    ids=["one line", "lines of data", "comments"],
)
def test_an_event_without_end_is_refused_before_it_fills_the_memory(piece):
    def feed(count):
        decoder = Decoder()
        decoder.feed(b"data: start\n\n")
        return [event for _ in range(count) for event in decoder.feed(piece)]

    many = sse.MAX_EVENT_BYTES // len(piece)
    assert feed(many // 2) == []
    with pytest.raises(ProviderError, match="larger than any response") as caught:
        feed(2 * many)
    assert caught.value.status == 502


def test_many_events_may_be_larger_than_one():
    decoder = Decoder()
    piece = b"data: " + b"x" * 4_000_000 + b"\r\n\r\n"
    assert sum(len(decoder.feed(piece)) for _ in range(6)) == 6
