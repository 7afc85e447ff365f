"""Frames come out of the bytes of a client wherever these are cut."""

from hypothesis import given
from hypothesis import strategies as st

from tornado_router.http.websocket_frames import FrameCutter, message_frame

from .websockets import BINARY, CONT, PING, TEXT, frame

MAX_BYTES = 70_000
SIZES = st.sampled_from((0, 1, 125, 126, 127, 65_535, 65_536, MAX_BYTES))
FRAMES = st.lists(
    st.tuples(st.sampled_from((TEXT, BINARY, CONT, PING)), SIZES, st.booleans()), max_size=4
)


@given(FRAMES, st.lists(st.integers(1, 140_000), max_size=8))
def test_every_frame_comes_whole(kinds, cuts):
    said = [
        (opcode, b"x" * (size if opcode != PING else min(size, 125)), fin)
        for opcode, size, fin in kinds
    ]
    data, cutter, pieces, start = b"".join(frame(*it[:2], fin=it[2]) for it in said), None, [], 0
    cutter = FrameCutter(MAX_BYTES)
    for cut in [*cuts, len(data)]:
        pieces += cutter.feed(data[start : start + cut])
        start += cut
    assert b"".join(piece.data for piece in pieces) == data
    assert [piece.is_message for piece in pieces] == [
        fin and opcode in (TEXT, BINARY) for opcode, _, fin in said
    ]
    for piece, (opcode, text, _) in zip(pieces, said, strict=True):
        assert piece.payload() == text
        assert not piece.is_message or piece.is_text == (opcode == TEXT)


def test_what_breaks_a_rule_is_given_as_it_came():
    for wrong in (
        frame(TEXT, b"x", masked=False),
        frame(TEXT, b"", length=MAX_BYTES + 1),
    ):
        (piece,) = FrameCutter(MAX_BYTES).feed(wrong + b"more")
        assert piece == (wrong + b"more", 0)
        assert not piece.is_message


def test_frames_of_the_server_announce_their_length():
    assert message_frame(b"hi", is_text=True) == b"\x81\x02hi"
    assert message_frame(b"x" * 126, is_text=False)[:4] == b"\x82\x7e\x00\x7e"
    assert message_frame(b"x" * 65_536, is_text=True)[:10] == b"\x81\x7f" + bytes(5) + b"\1\0\0"
