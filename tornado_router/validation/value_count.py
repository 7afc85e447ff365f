"""Counts the values in a JSON text without parsing it: what parses it is not interrupted."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator

_PIECE = 2**16
"""So many bytes are looked at together: a text that holds far too much is not read much further."""

_PIECES_A_TURN = 16
"""Of these, before others get their turn: 2 ms, and 7 where each second byte is an escape."""


def holds_more(raw: bytes, limit: int) -> bool:
    """Whether a JSON text holds more values than so many.

    Texts, names of fields included, objects and lists count; of the rest, which is parsed the
    fastest, ten count as one. Each takes two bytes of the text at least.
    """
    if len(raw) // 2 <= limit:  # as of most: without a look at any of it
        return False
    return next(found for found in _look(raw, limit) if found is not None)


async def holds_more_by_turns(
    raw: bytes, limit: int, turn: Callable[[], Awaitable[object]]
) -> bool:
    """The same for a large text.

    Args:
        raw: the text.
        limit: of values.
        turn: is awaited again and again, so that others get theirs.
    """
    for number, found in enumerate(_look(raw, limit), 1):
        if found is not None:
            return found
        if number % _PIECES_A_TURN == 0:
            await turn()
    raise AssertionError("it ends with what was found")


def _look(raw: bytes, limit: int) -> Iterator[bool | None]:
    """Looks at one piece after the other; None until it is known."""
    values = commas = start = 0
    in_text = False
    while values + commas // 10 <= limit:
        if values + commas // 10 + (len(raw) - start) // 2 <= limit:
            yield False  # whatever the rest is
            return
        piece = raw[start : start + _PIECE]
        if (len(piece) - len(piece.rstrip(b"\\"))) % 2:  # not without what it escapes
            piece = raw[start : start + _PIECE + 1]
        start += len(piece)
        if b'"' in piece:
            # Without what is escaped, each quote begins or ends a text.
            pieces = piece.replace(b"\\\\", b"").replace(b'\\"', b"").split(b'"')
            values += (len(pieces) - in_text) // 2
            piece = b"".join(pieces[in_text::2])
            in_text ^= len(pieces) % 2 == 0
        elif in_text:
            piece = b""
        values += piece.count(b"{") + piece.count(b"[")
        commas += piece.count(b",")
        yield None
    yield True
