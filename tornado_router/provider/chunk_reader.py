"""What the bytes of one stream amount to: chunks, by way of framing and parser."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from tornado_router.errors import ProviderError
from tornado_router.framing import Framing, ServerSentEvents
from tornado_router.provider.bodies import Body
from tornado_router.provider.passing import Passing
from tornado_router.provider.translator import StreamParser
from tornado_router.sse import Event, events_of


class ChunkReader:
    """Reads one stream, piece by piece.

    Args:
        decoder: cuts it into events.
        parser: reads those.
        hold: is called with the bytes that are held of the stream, whenever there are others.
        passing: knows which events may pass unread, if any may.

    Attributes:
        error: what ended the stream before its time; the chunks until then are good.
    """

    def __init__(
        self,
        decoder: Framing,
        parser: StreamParser,
        hold: Callable[[int], None],
        passing: Passing | None,
    ) -> None:
        self.error: ProviderError | None = None
        self._decoder = decoder
        self._parser = parser
        self._held = _Held(decoder, hold)
        may_pass = getattr(parser, "passes", False) and type(decoder) is ServerSentEvents
        self._passing = passing if may_pass else None
        self._complete = self._is_complete = None
        if isinstance(decoder, ServerSentEvents):
            self._complete, self._is_complete = decoder.complete, decoder.is_complete

    def feed(self, piece: bytes) -> Sequence[Body]:
        """The chunks that the next bytes complete.

        Raises:
            FramingError: the bytes are not what the framing prescribes.
        """
        events: Sequence[Event]
        chunks: Sequence[Body] = ()
        passing, complete = self._passing, self._complete
        if passing is None or complete is None:
            events = self._decoder.feed(piece)
        else:
            whole = complete(piece)
            passed = passing.take(whole)
            if passed is not None and not self._held.size:
                return (passed,)  # nearly every piece
            if passed is None:
                passing.read(whole)
                events = events_of(whole)
            else:
                events, chunks = (), (passed,)
        if events:
            chunks = self._parse(events)
        if self._held.size or not chunks:
            self._held.count(len(piece), has_events=bool(events), has_chunks=bool(chunks))
        return chunks

    def pass_on(self, piece: bytes) -> bool:
        """Has the next bytes go on at once, if they pass unread; says whether they did.

        If not, nothing was taken of them, and they are to be fed.
        """
        passing, is_complete = self._passing, self._is_complete
        if passing is None or passing.sink is None or is_complete is None or self._held.size:
            return False
        passed = passing.take(piece) if is_complete(piece) else None
        return passed is not None and passing.sink(passed)

    def finish(self) -> Sequence[Body]:
        """The chunks that are due at the end of the stream. Raises as `feed`."""
        chunks = self._parse(self._decoder.finish())
        if self.error is None:
            try:
                chunks.extend(self._parser.finish())
            except ProviderError as cut:
                self.error = cut
        return chunks

    def _parse(self, events: Iterable[Event]) -> list[Body]:
        parser = self._parser
        chunks: list[Body] = []
        try:
            for event in events:
                if parser.done:
                    break  # what comes after the end is not part of the response
                chunks.extend(parser.feed(event))
        except ProviderError as error:
            self.error = error
        return chunks


class _Held:
    """Counts the bytes that are held of a stream.

    Those of an event whose end has not come yet, and of events before that gave no chunk: the
    parser may keep what is in them. Of a comment that has ended, nothing is held.
    """

    def __init__(self, decoder: Framing, hold: Callable[[int], None]) -> None:
        self.size = 0
        self._kept = 0  # by the parser
        self._decoder = decoder
        self._hold = hold

    def count(self, size: int, *, has_events: bool, has_chunks: bool) -> None:
        """Counts one more piece, of so many bytes, by what it has completed."""
        if has_chunks:
            held = self._kept = 0
        elif has_events:
            held = self._kept = self.size + size
        else:
            # A plugin's own framing may call what it likes by that name.
            begun = getattr(self._decoder, "held", None)
            held = self._kept + begun if isinstance(begun, int) else self.size + size
        if held != self.size:
            self.size = held
            self._hold(held)
