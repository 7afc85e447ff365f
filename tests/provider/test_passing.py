"""Events that pass unread: the client gets the same bytes of them, and the call the same usage."""

import json
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tornado_router.endpoints import ENDPOINTS
from tornado_router.errors import ApiError
from tornado_router.framing import ServerSentEvents
from tornado_router.provider import Call, Passed, Passing
from tornado_router.provider.chunk_reader import ChunkReader
from tornado_router.provider.passing import MOST_BYTES, MOST_LEARNT
from tornado_router_anthropic import AnthropicProvider
from tornado_router_openai.presets import DeepSeek
from tornado_router_openai.provider import OpenAI

OPTIONS = {"api_key": "sk-vendor"}
PROVIDERS = {
    "chat.completions": OpenAI("openai", OPTIONS),
    "completions": OpenAI("openai", OPTIONS),
    "responses": OpenAI("openai", OPTIONS),
    "messages": AnthropicProvider("anthropic", OPTIONS),
}
BODIES = {
    "chat.completions": {"messages": [{"role": "user", "content": "Hi"}]},
    "completions": {"prompt": "Hi"},
    "responses": {"input": "Hi"},
    "messages": {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 9},
}


class Stream:
    """A stream of one endpoint, from the vendor's bytes to the client's.

    Attributes:
        sent: what the client got.
        texts: those of events that passed.
        error: what ended the stream before its time, in words.
    """

    def __init__(self, endpoint, passing=None, *, provider=None, model=None):
        provider = provider or PROVIDERS[endpoint]
        body = {"model": "m", "stream": True, **BODIES[endpoint]}
        call = Call("r1", endpoint, "m", body, json.dumps(body).encode(), stream=True)
        parser = provider.endpoints[endpoint].parse_stream(call)
        self.encoder = ENDPOINTS[endpoint].encoder(call, model)
        self._reader = ChunkReader(ServerSentEvents(), parser, lambda size: None, passing)
        self._passing = passing
        self.sent = b""
        self.texts = []
        self.error = None

    def feed(self, *pieces):
        for piece in pieces:
            self._deliver(self._reader.feed(piece))
            if self.error or self._reader._parser.done:
                break
        return self

    def finish(self):
        if self.error is None:
            self._deliver(self._reader.finish())
        return self

    def _deliver(self, batch):
        try:
            made = [self.encoder.encode(chunk) for chunk in batch]
        except ApiError as error:
            self.error = str(error)
            return
        self.sent += b"".join(made)
        self.texts += [text for chunk in batch if type(chunk) is Passed for text in chunk.texts]
        if self._passing and self._passing.newest is not None and batch:
            self._passing.learn(made[-1], batch[-1], self.encoder.said)
        if self._reader.error:
            self.error = str(self._reader.error)

    def seen(self):
        """All that the client, and the call's account, see of it."""
        encoder = self.encoder
        return (
            self.sent,
            encoder.generated,
            encoder.usage(),
            encoder.complete,
            self.error,
            encoder.cut(ApiError(429, "enough")),
        )


def chat(text, name="content", **more):
    choice = {"index": 0, "delta": {name: text}, "logprobs": None, "finish_reason": None}
    return {"id": "c1", "model": "gpt", "choices": [choice], "usage": None, **more}


def completion(text, **more):
    choice = {"index": 0, "text": text, "logprobs": None, "finish_reason": None}
    return {"id": "c1", "model": "gpt", "choices": [choice], **more}


def output(text, number, kind="response.output_text.delta", **more):
    return {"type": kind, "sequence_number": number, "item_id": "i1", "delta": text, **more}


def block(text, kind="text_delta", name="text"):
    return {"type": "content_block_delta", "index": 0, "delta": {"type": kind, name: text}}


def event(body, *, named=True, end=b"\n", **style):
    """The event of a body, as a vendor of its endpoint sends it."""
    data = b"data: " + json.dumps(body, **{"separators": (",", ":"), **style}).encode() + end * 2
    return b"event: " + body["type"].encode() + end + data if named and "type" in body else data


def padded(body):
    """An event as Anthropic pads it."""
    return event(body)[:-3] + b" " * (len(str(body)) % 7 + 1) + b"}\n\n"


WORDS = ["One", " two", " caf\u00e9", "\u4e2d\u6587", " \U0001f300", " four"]
COUNTED = list(enumerate(WORDS, 1))


@pytest.mark.parametrize(
    ("endpoint", "events"),
    [
        ("chat.completions", [event(chat(word), ensure_ascii=False) for word in WORDS]),
        (
            "chat.completions",
            [event(chat(word), separators=None, ensure_ascii=False) for word in WORDS],
        ),
        (
            "chat.completions",
            [event(chat(word, "reasoning_content"), ensure_ascii=False) for word in WORDS],
        ),
        (
            "chat.completions",
            [
                event(chat(word, obfuscation="x" * number), ensure_ascii=False)
                for number, word in COUNTED
            ],
        ),
        (
            "chat.completions",
            [event(chat(word), end=b"\r\n", ensure_ascii=False) for word in WORDS],
        ),
        ("completions", [event(completion(word), ensure_ascii=False) for word in WORDS]),
        (
            "responses",
            [
                event(output(word, number + 8, obfuscation="y" * (9 - number)), ensure_ascii=False)
                for number, word in COUNTED
            ],
        ),
        ("messages", [event(block(word), ensure_ascii=False) for word in WORDS]),
    ],
)
def test_text_passes_once_the_like_of_it_was_read(endpoint, events):
    stream = Stream(endpoint, Passing()).feed(*events)
    assert [text.decode() for text in stream.texts] == WORDS[1:]
    assert stream.seen() == Stream(endpoint).feed(*events).seen()
    assert stream.encoder.generated == len("".join(WORDS).encode())


def test_text_is_counted_without_its_escapes():
    said = ['a "quoted"\n', "\\", '\\"', "caf\u00e9", "\U0001f300", "\x00", "/"]
    events = [event(chat(text)) for text in ["first", *said]]
    stream = Stream("chat.completions", Passing()).feed(*events)
    assert [text.decode() for text in stream.texts] == said
    assert stream.sent == b"".join(events)


def test_a_text_of_nothing_but_escapes_takes_little_memory():
    passing = Passing()
    Stream("chat.completions", passing).feed(event(chat("a")))
    text = "\n" * (MOST_BYTES // 2 - 200)
    tracemalloc.start()
    assert passing.take(event(chat(text))).texts == [text.encode()]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 6 * MOST_BYTES
    assert passing.take(event(chat("\n" * (MOST_BYTES // 2)))) is None


def test_padding_may_differ():
    events = [padded(block(word * number)) for number, word in enumerate(["a", "b", "c"], 1)]
    stream = Stream("messages", Passing()).feed(*events)
    assert stream.texts == [b"bb", b"ccc"]
    assert stream.sent == b"".join(events)


def test_events_of_one_read_pass_together():
    events = [event(chat(word)) for word in ("a", "b", "c", "d", "e")]
    passing = Passing()
    Stream("chat.completions", passing).feed(events[0])
    passed = passing.take(b"".join(events[1:]))
    assert passed.data == b"".join(events[1:])
    assert passed.texts == [b"b", b"c", b"d", b"e"]
    assert passed.size == 4
    assert passing.take(b"".join(events[1:]) + event(chat("f", "refusal"))) is None


def test_what_passes_goes_on_at_once_where_it_is_taken():
    passing, taken = Passing(), []
    stream = Stream("chat.completions", passing).feed(event(chat("a")))
    pass_on, next_event = stream._reader.pass_on, event(chat("b"))
    assert not pass_on(next_event)  # there is nobody yet
    passing.sink = lambda passed: taken.append(passed.data) or len(taken) < 2
    assert pass_on(next_event)
    assert not pass_on(event(chat("c", "refusal")))
    assert not pass_on(next_event.replace(b"\n", b"\r\n"))
    assert not pass_on(next_event[:-1])
    assert not pass_on(next_event)  # it is not taken
    assert taken == [next_event, next_event]
    stream.feed(next_event[:9])
    assert not pass_on(next_event[9:])
    assert not pass_on(next_event)
    assert len(taken) == 2
    stream.feed(next_event[9:])
    assert stream.sent.endswith(next_event)


@pytest.mark.parametrize(
    "other",
    [
        event(chat("\ud83d")),
        event(chat("b")).replace(b'"b"', b'"\\x"'),
        event(chat("b")).replace(b'"b"', b'"\\u12"'),
        event(chat("b", usage={"prompt_tokens": 1, "completion_tokens": 1})),
        event(chat("b", error={"message": "no"})),
        event(chat("b", "refusal")),
        event(chat("b")).replace(b'"finish_reason":null', b'"finish_reason":"stop"'),
        event(chat("b")).replace(b"}\n\n", b"}\n"),
        event(chat("b")).replace(b"data: ", b"data:"),
        event(chat("b")).replace(b'"b"', b'"\xff"'),
        event(chat("b")).replace(b'"b"', b'"\x01"'),
        event(chat("b")).replace(b'"b"', b"null"),
        event(chat("b")).replace(b'"b"', b'"b","content":"c"'),
        b": ping\n\n" + event(chat("b")),
        b"data: [DONE]\n\n",
        b"",
    ],
)
def test_what_differs_in_more_is_read(other):
    passing = Passing()
    Stream("chat.completions", passing).feed(event(chat("a")))
    assert passing.take(event(chat("b"))) is not None
    assert passing.take(other) is None


@pytest.mark.parametrize(
    "first",
    [
        event(chat("")),
        event(chat("\\")),
        event(chat("content")),  # which is there twice
        event(chat("a", usage={"prompt_tokens": 1, "completion_tokens": 1})),
        event({**chat("a"), "choices": chat("a")["choices"] * 2}),
        event({**chat("a"), "choices": [{"delta": {"content": "a", "refusal": "b"}}]}),
        event({**chat("a"), "choices": [{"delta": {"content": "a", "token_id": 7}}]}),
        event({**chat("a"), "choices": [{"delta": "a"}]}),
        event({**chat("a"), "choices": [{"delta": {"content": {"content": "a"}}}]}),
        event({**chat("a"), "choices": "content"}),
        event(chat("a")).replace(b"data: ", b"event: message\ndata: "),
        event(chat("a")).replace(b"data: ", b"data:"),
        event(chat("a")).replace(b"}\n\n", b"}\nid: 7\n\n"),
        event(chat("a")).replace(b"{", b"{\ndata: ", 1),
    ],
)
def test_nothing_is_learnt_where_more_is_said_or_the_client_gets_other_bytes(first):
    passing = Passing()
    Stream("chat.completions", passing).feed(event(chat("a", "before")), first)
    like = first.replace(b'"a"', b'"b"')
    assert passing.take(like) is None


def test_a_client_that_gets_another_name_of_the_model_gets_it_in_every_chunk():
    events = [event(chat(word)) for word in ("a", "b", "c")]
    stream = Stream("chat.completions", Passing(), model="mine").feed(*events)
    assert stream.texts == []
    assert stream.sent.count(b'"model":"mine"') == 3


def test_reasoning_that_a_vendor_wants_back_is_read():
    provider = DeepSeek("deepseek", OPTIONS)
    events = [event(chat(word, "reasoning_content")) for word in ("a", "b", "c")]
    assert Stream("chat.completions", Passing(), provider=provider).feed(*events).texts == []


def test_where_each_event_differs_it_stops_to_learn():
    passing = Passing()
    for number in range(MOST_LEARNT + 1):
        last = event(chat("a", created=number))
        Stream("chat.completions", passing).feed(last)
    assert passing.take(event(chat("b", created=MOST_LEARNT - 1))) is not None
    assert passing.take(last) is None


# What vendors may send: mostly texts, in any style of JSON, and all else between.

texts = st.sampled_from(["a", " b", "caf\u00e9", "\U0001f300", "data:", "content"]) | st.text(
    max_size=6
)
STRANGE = [
    {"choices": []},
    {"choices": None},
    {"choices": [{"delta": None}]},
    {"choices": [{"delta": {"content": ["a"]}}]},
    {"choices": ["a"]},
    {"error": {"message": "no"}},
    {"usage": {"prompt_tokens": 1, "completion_tokens": 2}},
    {"usage": {"prompt_tokens": "?"}},
    {"type": "response.completed", "response": {"usage": {"input_tokens": 1, "output_tokens": 2}}},
    {"type": "response.output_item.added", "item": {"type": "message"}, "output_index": 0},
    {"type": "content_block_delta", "delta": {"type": "text_delta"}},
    {"type": "content_block_delta", "delta": "a"},
    {"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": "a"}},
    {"type": "message_start", "message": {"usage": {"input_tokens": 1, "output_tokens": 1}}},
    {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 2}},
    {"type": "message_stop"},
    {"type": "ping"},
    {"type": "response.output_text.delta", "delta": None},
]


KINDS = {
    "chat.completions": ["content", "reasoning", "role"],
    "completions": ["text"],
    "responses": ["response.output_text.delta", "response.reasoning_summary_text.delta"],
    "messages": ["text", "thinking", "partial_json"],
}
DELTAS = {"text": "text_delta", "thinking": "thinking_delta", "partial_json": "input_json_delta"}


def said(endpoint, text, kind, number):
    """A body that says a text."""
    match endpoint:
        case "chat.completions":
            return chat(text, kind)
        case "completions":
            return completion(text)
        case "responses":
            return output(text, number, kind)
    return block(text, DELTAS[kind], kind)


@st.composite
def events_of(draw, endpoint):
    """The events of a stream: most differ from the one before in little but the text."""
    style = {
        "separators": draw(st.sampled_from([(",", ":"), (", ", ": "), (" , ", " : ")])),
        "ensure_ascii": draw(st.booleans()),
        "named": draw(st.sampled_from([True, True, True, False])),
        "end": draw(st.sampled_from([b"\n", b"\n", b"\r\n"])),
    }
    kind, obfuscated = KINDS[endpoint][0], draw(st.booleans())
    events = []
    for number in range(draw(st.integers(2, 10))):
        habit = draw(st.integers(0, 29))
        if habit == 0:
            kind = draw(st.sampled_from(KINDS[endpoint]))
        body = said(endpoint, draw(texts), kind, number)
        if habit == 1:
            body = draw(st.sampled_from(STRANGE))
        elif habit == 2 and "choices" in body:
            body["choices"][0] |= {"index": 1, "finish_reason": "stop"}
        elif obfuscated:
            body["obfuscation"] = draw(texts)
        made = event(body, **style)
        if habit == 3:
            made = padded(body)
        elif habit == 4:
            place = draw(st.integers(0, len(made)))
            made = made[:place] + draw(st.binary(max_size=2)) + made[place + 1 :]
        elif habit == 5:
            made = b": ping\n\n" + made
        events.append(made)
    return events


@st.composite
def streams(draw):
    """An endpoint, and the bytes of a stream of it, in pieces."""
    endpoint = draw(st.sampled_from(sorted(BODIES)))
    events = draw(events_of(endpoint))
    if draw(st.booleans()):
        return endpoint, events
    raw = b"".join(events)
    cuts = sorted(draw(st.lists(st.integers(0, len(raw)), max_size=6)))
    return endpoint, [raw[a:b] for a, b in zip([0, *cuts], [*cuts, len(raw)], strict=True)]


@given(streams())
def test_whatever_passes_is_what_reading_gives(stream):
    endpoint, pieces = stream
    read = Stream(endpoint).feed(*pieces).finish()
    passed = Stream(endpoint, Passing()).feed(*pieces).finish()
    assert passed.seen() == read.seen()
