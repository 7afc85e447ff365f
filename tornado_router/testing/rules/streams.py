"""Rules about streamed responses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tornado_router.provider import Call
from tornado_router.testing import shapes
from tornado_router.testing.json_paths import Path, replaced, texts, thinned
from tornado_router.testing.recordings import CHAT, Recording
from tornado_router.testing.replay import Player
from tornado_router.testing.replay_client import cut, lines
from tornado_router.testing.rules.base import Rules, declares, needs_vendor, no_faults
from tornado_router.testing.rules.responses import UNICODE, call_faults, reason_faults
from tornado_router.testing.shapes import describe
from tornado_router.testing.stream_units import Unit, units


class StreamRules(Rules):
    """Chunks: what OpenAI's clients put together from them, and when they may."""

    def test_chunk_fits_the_schema(self, player: Player, stream: Recording) -> None:
        """Every chunk is what OpenAI's API promises: `chat.completions.chunk`."""
        chunks = self.played(player, stream).chunks
        faults = [shapes.misfit(f"{CHAT}.chunk", chunk) for chunk in chunks]
        no_faults(f"chunk {index}: {fault}" for index, fault in enumerate(faults) if fault)
        kinds = {chunk.get("object") for chunk in chunks}
        assert kinds == {"chat.completion.chunk"}, f"`object` is {kinds}"

    def test_stream_keeps_its_identity(self, player: Player, stream: Recording) -> None:
        """All chunks of a stream share one `id`, `created` and `model`.

        Clients distinguish streams by the id. If the vendor gives none, make one up for the
        whole stream, in the parser.
        """
        chunks = self.played(player, stream).chunks
        for name in ("id", "created", "model"):
            values = {chunk.get(name) for chunk in chunks}
            assert len(values) == 1, f"`{name}` changes: {sorted(map(str, values))[:5]}"
            assert values != {""}, f"`{name}` is empty"

    def test_stream_says_who_speaks(self, player: Player, stream: Recording) -> None:
        """The first delta of each choice has the role `assistant`, and no other delta has one.

        OpenAI's SDKs join every text of the deltas: a role that comes twice is read as
        `assistantassistant`.
        """
        chunks = self.played(player, stream).chunks
        found = shapes.indexes(chunks)
        assert found, "there are no choices"
        assert found == list(range(len(found))), f"the choices are numbered {found}"
        for index in found:
            roles = [delta.get("role") for _, delta in shapes.deltas(chunks, index)]
            assert roles[0] == "assistant", f"the first delta of choice {index} has no role"
            assert not any(roles[1:]), f"the role of choice {index} comes more than once"

    def test_stream_numbers_tool_calls(self, player: Player, stream: Recording) -> None:
        """Tool calls are numbered from 0; the first fragment of each has its id, type and name.

        Clients join fragments by `index` and add up their texts, so id and name come once, and
        a call's number never changes. The number counts calls, not the vendor's blocks, and
        goes on over the chunks: keep it in the parser.
        """
        chunks = self.played(player, stream).chunks
        no_faults(
            fault for index in shapes.indexes(chunks) for fault in _fragment_faults(chunks, index)
        )
        no_faults(call_faults(shapes.joined(chunks), stream))

    def test_stream_finishes_once(self, player: Player, stream: Recording) -> None:
        """Each choice has one `finish_reason`, in its last chunk.

        Clients stop reading a choice there. A vendor may say it early or in every event: hold
        it back until the choice is over.
        """
        chunks = self.played(player, stream).chunks
        for index in shapes.indexes(chunks):
            reasons = [choice.get("finish_reason") for choice, _ in shapes.deltas(chunks, index)]
            given = [reason for reason in reasons if reason is not None]
            assert given, f"choice {index} never finishes"
            assert len(given) == 1, f"choice {index} finishes {len(given)} times: {given}"
            assert reasons[-1], f"choice {index} goes on after its `finish_reason`"

    def test_stream_finishes_for_a_reason(self, player: Player, stream: Recording) -> None:
        """`finish_reason` is one of OpenAI's, and says `tool_calls` if tools are called.

        A vendor may report the call and the end in two events, so the parser has to
        remember that there was a call. `length` and `content_filter` stay what they are.
        """
        no_faults(reason_faults(shapes.joined(self.played(player, stream).chunks), stream))

    def test_stream_counts_tokens_once(self, player: Player, stream: Recording) -> None:
        """Usage comes once, last, in a chunk with `choices: []`, and adds up.

        The core needs it of every stream, and shows it to those clients that asked. Ask the
        vendor for it if it has to be asked; gather what comes in several events.
        """
        chunks = self.played(player, stream).chunks
        with_usage = [index for index, chunk in enumerate(chunks) if chunk.get("usage")]
        assert with_usage, "no chunk has `usage`"
        assert len(with_usage) == 1, f"`usage` comes {len(with_usage)} times"
        assert with_usage == [len(chunks) - 1], "`usage` is not in the last chunk"
        assert chunks[-1].get("choices") == [], "the chunk with `usage` has choices"
        fault = shapes.usage_fault(chunks[-1]["usage"])
        assert fault is None, fault

    def test_stream_equals_whole_response(self, player: Player, stream: Recording) -> None:
        """A stream, joined, equals the whole response of the same name.

        Text, refusals, thoughts, tool calls and finish reason. Two recordings of one name claim
        to be one response: choose a question with one answer (`Say: ...`), or use two names.
        """
        pairs = [
            item
            for item in self.load_recordings()
            if (item.name, item.endpoint) == (stream.name, stream.endpoint) and not item.streamed
        ]
        needs_vendor(player)
        if not pairs:
            pytest.skip(f"there is no {stream.name}.http")
        whole = shapes.substance(self.response(player, pairs[0]))
        streamed = shapes.substance(shapes.joined(self.played(player, stream).chunks))
        assert streamed == whole, f"streamed, it is {streamed}; whole, it is {whole}"

    def test_stream_is_the_same_however_split(self, player: Player, stream: Recording) -> None:
        """The chunks are the same wherever the network cuts the bytes.

        In the middle of an event, of a line, of a character. The core's decoder takes care of
        it; a provider with a `stream` of its own has to use `tornado_router.sse.Decoder`, or
        hold back what is incomplete.
        """
        needs_vendor(player)
        usual = self.played(player, stream).chunks
        call, body = self.recorded_call(stream), stream.body

        def check(positions: Sequence[int]) -> None:
            outcome = player.stream(call, stream.response, cut(body, positions))
            where = (
                f"cut at {list(positions[:5])}" if len(positions) < len(body) - 1 else "by bytes"
            )
            assert outcome.error is None, f"{where}: {describe(outcome.error)}"
            same = outcome.chunks == usual or shapes.masked(outcome.chunks) == shapes.masked(usual)
            assert same, f"{where}: the chunks are not those of the usual pieces"

        check(range(1, len(body)))
        for position in thinned(range(1, len(body)), self.variants):
            check([position])

        @settings(
            max_examples=20,
            deadline=None,
            database=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        )
        @given(st.lists(st.integers(1, len(body)), max_size=30).map(sorted))
        def anywhere(positions: list[int]) -> None:
            check(positions)

        anywhere()

    def test_stream_keeps_text_as_it_is(self, player: Player, stream: Recording) -> None:
        """What the vendor streams reaches the client whole, in every script, however split.

        The kit puts other words into a recorded event, as UTF-8 and as escapes. U+2028 inside
        an event is text: split lines at CR and LF only, never with `str.splitlines`.
        """
        needs_vendor(player)
        said = shapes.content(shapes.joined(self.played(player, stream).chunks))
        tried: list[str] = []
        for unit, path, text in _spoken(units(player.provider, stream), said):
            other = replaced(unit.value, path, UNICODE)
            shown = list(_replayed(self.recorded_call(stream), player, stream, unit, other))
            tried += [other for other in shown if other != said]
            starts = [i for i in range(len(said)) if said.startswith(text, i)]
            wanted = {said[:i] + UNICODE + said[i + len(text) :] for i in starts}
            if shown and all(other in wanted for other in shown):
                return
        if not tried:
            pytest.skip("the text of this response is not found in what the vendor sent")
        pytest.fail(f"{UNICODE!r} became {min(tried, key=len)!r}", pytrace=False)

    def test_streams_do_not_mix(self, player: Player, stream: Recording) -> None:
        """Two streams at once are each what they are alone.

        A provider serves many calls at once: what belongs to a stream is kept in its parser,
        which `parse_stream` makes anew, never in the provider or the translator.
        """
        declares(player.provider, "stream")
        alone = self.played(player, stream)
        others = [item for item in self.load_recordings() if item.streamed and not item.failed]
        other = next((item for item in others if item.name != stream.name), stream)
        calls = [
            (self.recorded_call(item), item.response, lines(item.body) if item.response else None)
            for item in (stream, other, stream)
        ]
        first, _, last = player.interleaved(calls)
        for outcome in (first, last):
            same = shapes.masked(outcome.chunks) == shapes.masked(alone.chunks)
            assert same, f"beside another it is not what it is alone: {describe(outcome.error)}"

    def test_abandoned_stream_is_closed(self, player: Player, stream: Recording) -> None:
        """A stream that is no longer read closes its connection at once.

        The client is gone, and what the vendor still generates costs money. Read inside
        `async with http.stream(...)`, and catch no `GeneratorExit` or `CancelledError`.
        """
        self.played(player, stream)
        client = player.abandoned(self.recorded_call(stream), stream.response)
        assert client.open_streams == 0, "the connection is still open"


def _replayed(
    call: Call, player: Player, stream: Recording, unit: Unit, value: Any
) -> Iterator[str]:
    """The text of a stream with another value in one unit, as UTF-8 and as escapes, by bytes."""
    for dumped in (unit.dumped(value), unit.dumped(value, ascii=True)):
        body = stream.body.replace(unit.raw, dumped, 1)
        for positions in (range(1, len(body)), range(0)):
            outcome = player.stream(call, stream.response, cut(body, positions))
            yield shapes.content(shapes.joined(outcome.chunks))


def _fragment_faults(chunks: Sequence[Mapping[str, Any]], index: int) -> Iterator[str]:
    """What is wrong with the fragments of the tool calls in one choice."""
    seen: list[Any] = []
    for _, delta in shapes.deltas(chunks, index):
        for fragment in shapes.items(delta, "tool_calls"):
            number = fragment.get("index")
            kind = str(fragment.get("type") or "function")
            name = shapes.part(fragment, kind).get("name")
            if number in seen:
                if fragment.get("id") or name:
                    yield f"call {number} has an id or a name in a later fragment"
                continue
            if number != len(seen):
                yield f"a call is numbered {number}, where {len(seen)} would be next"
            if not (fragment.get("id") and fragment.get("type") and name):
                yield f"the first fragment of call {number} lacks its id, type or name"
            seen.append(number)


def _spoken(all_units: Sequence[Unit], said: str) -> list[tuple[Unit, Path, str]]:
    """Texts in the units of a stream that are part of its content, the longest first."""
    found = [
        (unit, path, text)
        for unit in all_units
        for path, text in texts(unit.value)
        if text.strip() and text in said
    ]
    return sorted(found, key=lambda item: -len(item[2]))[:8]
