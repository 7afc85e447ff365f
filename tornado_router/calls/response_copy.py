"""A copy of a response as it goes out, for the response cache and the request log."""

from __future__ import annotations


class ResponseCopy:
    """The start of a response, as far as there is room for it.

    Args:
        room: bytes that are worth copying.

    Attributes:
        is_wanted: whether any of it is to be kept, or its size known.
        size: bytes of the whole response so far.
    """

    def __init__(self, room: int = 0) -> None:
        self._room = room
        self.is_wanted = room > 0
        self._pieces: list[bytes] = []
        self.size = 0

    def make_room(self, room: int) -> None:
        """Copies at least so much of a response that has not begun."""
        self._room = max(self._room, room)
        self.is_wanted = self._room > 0

    def drop(self) -> None:
        """Keeps nothing of a response; its size is counted all the same."""
        self._room = 0
        self._pieces.clear()

    def add(self, data: bytes) -> None:
        """Adds a piece."""
        left = self._room - self.size
        if left > 0:
            self._pieces.append(data[:left])
        self.size += len(data)

    def data(self) -> bytes:
        """What there was room for."""
        return b"".join(self._pieces)

    def whole(self, most: int) -> bytes | None:
        """All of it; None if it is larger than that, or than there was room for."""
        return self.data() if self.size <= min(most, self._room) else None
