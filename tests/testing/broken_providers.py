"""Providers that are the good one of `acme.py` with one fault each.

`FAULTS` says which rules each has to break, and a word that has to be in what pytest says of it:
the kit has to fail for the right reason, and for no other.
"""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncGenerator, Sequence
from typing import Any, ClassVar

import orjson

from tornado_router.errors import ApiError, ProviderError
from tornado_router.provider import Body, Call, Event, UpstreamRequest, UpstreamResponse
from tornado_router.sse import Decoder

from .acme import AcmeChat, AcmeProvider, AcmeStream


def acme(
    chat: type[AcmeChat] = AcmeChat, stream: type[AcmeStream] = AcmeStream, **members: Any
) -> type[AcmeProvider]:
    """A provider like Acme, with another translator, another parser, or other members."""

    class Chat(chat):
        def parse_stream(self, call):
            return stream(self, call) if stream is not AcmeStream else super().parse_stream(call)

    class Broken(AcmeProvider):
        def __init__(self, name, options):
            super().__init__(name, options)
            self.endpoints = {"chat.completions": Chat(self)}

    for name, member in members.items():
        setattr(Broken, "stream" if name == "streaming" else name, member)
    return Broken


# What is sent


class Mutating(AcmeChat):
    def body(self, call):
        for message in call.body["messages"]:
            message.pop("annotations", None)
        return super().body(call)


class KeyInUrl(AcmeChat):
    def url(self, call):
        return f"{super().url(call)}?key={self.provider.options['api_key']}"


class KeyInBody(AcmeChat):
    def body(self, call):
        return {**super().body(call), "auth": self.provider.options["api_key"]}


class FormBody(AcmeChat):
    def build_request(self, call):
        request = super().build_request(call)
        return UpstreamRequest(request.url, b"q=" + request.body, request.headers)


class OddHeaders(AcmeChat):
    def headers(self):
        return {**super().headers(), "X-Attempt": 1}


class ClientsModel(AcmeChat):
    def body(self, call):
        return {**super().body(call), "model": call.body["model"]}


class AsciiRequest(AcmeChat):
    def part(self, params, item, path):
        parts = super().part(params, item, path)
        return [{**p, "text": " ".join(p["text"].split())} if "text" in p else p for p in parts]


class NoSystem(AcmeChat):
    def turn(self, call, params, message, path):
        if message["role"] == "system":
            params.unsupported(f"{path}.role")
        return super().turn(call, params, message, path)


class Unseen(AcmeChat):
    def body(self, call):
        known = {name: value for name, value in call.body.items() if name != "seed"}
        changed = Call(call.id, call.endpoint, call.model, known, call.raw, call.stream)
        changed.unsupported, changed.memory = call.unsupported, call.memory
        changed.dropped = call.dropped
        return super().body(changed)


class CallsLossHint(AcmeChat):
    """Leaves out what changes the response."""

    unsupported_fields: ClassVar = {**AcmeChat.unsupported_fields, "n": "hint", "seed": "loss"}

    def body(self, call):
        real, self.unsupported_fields = self.unsupported_fields, AcmeChat.unsupported_fields
        try:
            return super().body(call)
        finally:
            self.unsupported_fields = real


class RefusesNeutral(AcmeChat):
    def body(self, call):
        if call.body.get("n") == 1:
            raise ProviderError(400, "No n.", param="n", code="unsupported_parameter")
        return super().body(call)


class RefusesAlways(AcmeChat):
    def body(self, call):
        if call.body.get("top_p") is not None:
            raise ProviderError(400, "No top_p.", param="top_p", code="unsupported_parameter")
        return super().body(call)


class RefusesAnonymously(AcmeChat):
    def body(self, call):
        if call.body.get("seed") is not None and call.unsupported == "reject":
            raise ApiError(400, "Something is not supported.")
        return super().body(call)


class CrashesOnArguments(AcmeChat):
    def replay(self, call, tool_call):
        part = super().replay(call, tool_call)
        return {**part, "args": dict(json.loads(part["args"] or "{}"))}


class Forgetful(AcmeChat):
    def replay(self, call, tool_call):
        part = super().replay(call, tool_call)
        part.pop("seal", None)
        return part


# Whole answers


def changed(change):
    """A translator whose whole responses are changed."""

    class Changed(AcmeChat):
        def parse_response(self, call, response):
            answer = super().parse_response(call, response)
            change(answer, answer["choices"][0], answer["choices"][0]["message"])
            return answer

    return Changed


def negative(answer, choice, message):
    answer["usage"] |= {"prompt_tokens": -1, "total_tokens": 6}


def bad_sum(answer, choice, message):
    answer["usage"]["total_tokens"] += 1


def without_cached(answer, choice, message):
    answer["usage"]["prompt_tokens_details"]["cached_tokens"] = 1000


def no_role(answer, choice, message):
    message["role"] = "agent"


def unknown_reason(answer, choice, message):
    choice["finish_reason"] = "done"


def no_kind(answer, choice, message):
    answer["object"] = "chat.completion.chunk"


def same_ids(answer, choice, message):
    for call in message.get("tool_calls", ()):
        call["id"] = "call"


def numbers_as_text(answer, choice, message):
    answer["created"] = str(answer["created"])


def ascii_answer(answer, choice, message):
    message["content"] = (message["content"] or "").encode("ascii", "ignore").decode()


class Credulous(AcmeChat):
    def parse_response(self, call, response):
        if response.body == b"{}":
            response = UpstreamResponse(200, {}, GOOD_ANSWER)
        return super().parse_response(call, response)


GOOD_ANSWER = orjson.dumps(
    {
        "reply": {"key": "r", "made": 1, "parts": [], "end": "done"},
        "counts": {"in": 0, "cached": 0, "out": 0},
    }
)


class Mending(AcmeChat):
    """Closes what a broken answer left open."""

    def parse_response(self, call, response):
        if not response.body.endswith(b"}}") and response.body[:1] == b"{":
            response = UpstreamResponse(200, {}, GOOD_ANSWER)
        return super().parse_response(call, response)


class Unchecked(AcmeChat):
    def reason(self, reply, has_calls):
        if isinstance(reply, dict) and reply["end"].upper() == "LIMIT":
            return "length"
        return super().reason(reply, has_calls)


# Streams


class TimeInFractions(AcmeStream):
    def begin(self, value):
        chunks = super().begin(value)
        self.head["created"] = chunks[0]["created"] = 1795000000.5
        return chunks


class Renumbered(AcmeStream):
    def tool_call(self, value):
        (chunk,) = super().tool_call(value)
        chunk["choices"][0]["delta"]["tool_calls"][0]["index"] = 0
        return [chunk]

    def arguments(self, value):
        (chunk,) = super().arguments(value)
        chunk["choices"][0]["delta"]["tool_calls"][0]["index"] = 0
        return [chunk]


class NamesAgain(AcmeStream):
    def arguments(self, value):
        (chunk,) = super().arguments(value)
        chunk["choices"][0]["delta"]["tool_calls"][0]["id"] = value["ref"]
        return [chunk]


class FinishesTwice(AcmeStream):
    def end(self, value):
        finish, usage = super().end(value)
        return [finish, finish, usage]


class GoesOn(AcmeStream):
    def end(self, value):
        finish, usage = super().end(value)
        return [finish, self.chunk({"content": ""}), usage]


class CallsStop(AcmeChat):
    def reason(self, reply, has_calls):
        return super().reason(reply, has_calls=False)


class CallsMaskLength(AcmeChat):
    """Says `tool_calls` for every end."""

    def reason(self, reply, has_calls):
        return "tool_calls" if super().reason(reply, has_calls) == "length" else "stop"


class NoUsage(AcmeStream):
    def end(self, value):
        return super().end(value)[:1]


class UsageTwice(AcmeStream):
    def end(self, value):
        finish, usage = super().end(value)
        return [finish, usage, usage]


class UsageEarly(AcmeStream):
    def end(self, value):
        finish, usage = super().end(value)
        return [{**finish, "usage": usage["usage"]}]


class NoRole(AcmeStream):
    def begin(self, value):
        super().begin(value)
        return []


class RoleAgain(AcmeStream):
    def chunk(self, delta, finish_reason=None):
        return super().chunk({"role": "assistant", **delta}, finish_reason)


class NewIds(AcmeStream):
    def feed(self, event):
        self.head = self.head and {**self.head, "id": f"{self.head['id']}x"}
        return super().feed(event)


class TextLost(AcmeStream):
    """Forgets what is said before a call."""

    def feed(self, event):
        chunks = super().feed(event)
        return [] if b"Let me see" in event.data else chunks


class Silent(AcmeStream):
    def finish(self):
        return []


class ShowsTrouble(AcmeStream):
    """Takes the vendor's error for an end."""

    def feed(self, event):
        if b"trouble" in event.data:
            return self.end({"end": "done", "counts": {"out": 0}})
        return super().feed(event)


class Shared(AcmeChat):
    """Has one parser for all streams."""

    parser = None

    def parse_stream(self, call):
        if self.parser is None or self.parser.done:
            self.parser = AcmeStream(self, call)
        return self.parser


class CrashesOnEvent(AcmeStream):
    def end(self, value):
        if value["counts"]["out"] < 0:
            return []
        return super().end(value)


async def stream_by_piece(self, call, http) -> AsyncGenerator[Sequence[Body], None]:
    """Takes every piece of the network for whole events."""
    translator = self.endpoints[call.endpoint]
    async with http.stream(translator.build_request(call)) as response:
        if response.status != 200:
            body = await response.read()
            raise self.parse_error(UpstreamResponse(response.status, response.headers, body))
        parser, held = translator.parse_stream(call), b""
        async for piece in response:
            held += piece
            # Half a character is not waited for.
            held = held.decode("utf-8", "replace").encode()
            *whole, held = held.replace(b"\r\n", b"\n").split(b"\n\n")
            for event in whole:
                yield list(parser.feed(Event(event.partition(b"data: ")[2])))
        if held.strip():
            yield list(parser.feed(Event(held.partition(b"data: ")[2])))
        yield list(parser.finish())


async def stream_by_splitlines(self, call, http) -> AsyncGenerator[Sequence[Body], None]:
    """Takes U+2028 for the end of a line, as Python does."""
    translator = self.endpoints[call.endpoint]
    async with http.stream(translator.build_request(call)) as response:
        if response.status != 200:
            body = await response.read()
            raise self.parse_error(UpstreamResponse(response.status, response.headers, body))
        parser = translator.parse_stream(call)
        body = (await response.read()).decode("utf-8", "replace")
        for line in body.splitlines():
            if line.startswith("data:"):
                yield list(parser.feed(Event(line[5:].encode())))
        yield list(parser.finish())


async def stream_left_open(self, call, http) -> AsyncGenerator[Sequence[Body], None]:
    """Never closes what it opened."""
    translator = self.endpoints[call.endpoint]
    manager = http.stream(translator.build_request(call))
    opened.append(manager)
    response = await manager.__aenter__()
    if response.status != 200:
        body = await response.read()
        raise self.parse_error(UpstreamResponse(response.status, response.headers, body))
    parser, decoder = translator.parse_stream(call), Decoder()
    async for piece in response:
        for event in decoder.feed(piece):
            yield list(parser.feed(event))
    for event in decoder.finish():
        yield list(parser.feed(event))
    yield list(parser.finish())
    await manager.__aexit__(None, None, None)


opened: list[Any] = []


# Errors and secrets


def crashing_error(self, response):
    orjson.loads(response.body or b"{}")
    return AcmeProvider.parse_error(self, response)


def error_without_retry(self, response):
    error = AcmeProvider.parse_error(self, response)
    error.headers = {}
    return error


def error_is_final(self, response):
    error = AcmeProvider.parse_error(self, response)
    error.retryable = False
    return error


def error_is_500(self, response):
    error = AcmeProvider.parse_error(self, response)
    error.status = 500
    return error


def error_without_why(self, response):
    error = AcmeProvider.parse_error(self, response)
    error.message = "It failed."
    return error


def error_with_key(self, response):
    error = AcmeProvider.parse_error(self, response)
    error.message += f" (with the headers {self.endpoints['chat.completions'].headers()})"
    return error


class LogsKey(AcmeChat):
    def headers(self):
        headers = super().headers()
        logging.getLogger("acme").debug("headers: %s", headers)
        return headers


def shown(self):
    return f"{type(self).__name__}({self.options})"


# What is declared

MORE = {
    "chat.completions": (*AcmeProvider.capabilities["chat.completions"], "audio"),
}
UNKNOWN = {
    "chat.completions": (*AcmeProvider.capabilities["chat.completions"], "telepathy"),
}
EMBEDDING = {**AcmeProvider.capabilities, "embeddings": ()}
OPEN_KEY = {
    "type": "object",
    "properties": {"api_key": {"type": "string", "description": "Sent as X-Acme-Key."}},
}

FAULTS: dict[str, tuple[type[AcmeProvider], set[str], str]] = {
    "changes the body": (
        acme(Mutating),
        {"request_leaves_the_call_alone"},
        "the call is not what it was",
    ),
    "key in the URL": (
        acme(KeyInUrl),
        {"secret_travels_in_headers_only"},
        "the URL holds a secret",
    ),
    "key in the body": (
        acme(KeyInBody),
        {"secret_travels_in_headers_only"},
        "the body holds a secret",
    ),
    "a body that is no JSON": (acme(FormBody), {"request_is_well_formed"}, "the body is not JSON"),
    "a header that is not text": (
        acme(OddHeaders),
        {"request_is_well_formed"},
        "the header 'X-Attempt' is not text",
    ),
    "the client's name of the model": (
        acme(ClientsModel),
        {"request_names_the_target_model"},
        "the client's name of the model is sent",
    ),
    "text is changed": (
        acme(AsciiRequest),
        {"request_keeps_text_as_it_is"},
        "no text in the request",
    ),
    "no system messages": (
        acme(NoSystem),
        {"plain_conversation_is_served", "capability_is_served"},
        "a system message",
    ),
    "a parameter lost unseen": (
        acme(Unseen),
        {"parameter_is_used_or_refused", "parameter_is_dropped_where_allowed"},
        "seed is lost without notice",
    ),
    "a loss declared as a hint": (
        acme(CallsLossHint),
        {"unsupported_field_is_treated_as_declared"},
        "`n` is declared as hint, but refused with `reject`",
    ),
    "a library refused": (
        acme(RefusesNeutral),
        {"request_of_a_library_is_served"},
        "LangChain",
    ),
    "refused though it may be dropped": (
        acme(RefusesAlways),
        {"parameter_is_dropped_where_allowed"},
        "top_p is refused, though it may be dropped",
    ),
    "refused without a name": (
        acme(RefusesAnonymously),
        {"parameter_is_used_or_refused", "any_request_is_served_or_refused"},
        "`param`",
    ),
    "crash on odd arguments": (
        acme(CrashesOnArguments),
        {"any_request_is_served_or_refused"},
        "arguments that are not JSON: it crashes",
    ),
    "state forgotten": (
        acme(Forgetful),
        {"kept_state_comes_back"},
        "the kept state is not sent back",
    ),
    "state not declared": (
        acme(remembers=False),
        {"kept_state_belongs_to_tool_calls"},
        "`remembers` is False",
    ),
    "usage below zero": (
        acme(changed(negative)),
        {"response_counts_tokens"},
        "is -1, which is not a count",
    ),
    "usage that does not add up": (
        acme(changed(bad_sum)),
        {"response_counts_tokens"},
        "the sum is 19",
    ),
    "more cached than sent": (
        acme(changed(without_cached)),
        {"response_counts_tokens"},
        "is more than `prompt_tokens`",
    ),
    "another role": (acme(changed(no_role)), {"response_holds_choices"}, "the roles are"),
    "an unknown finish reason": (
        acme(changed(unknown_reason)),
        {"response_finishes_for_a_reason", "stream_equals_whole_response"},
        "done",
    ),
    "another object": (acme(changed(no_kind)), {"response_fits_the_schema"}, "`object` has to be"),
    "equal ids": (
        acme(changed(same_ids)),
        {
            "response_calls_tools_completely",
            "kept_state_belongs_to_tool_calls",
            "kept_state_comes_back",
        },
        "the ids of the tool calls are",
    ),
    "a number as text": (
        acme(changed(numbers_as_text)),
        {"response_fits_the_schema", "odd_response_does_not_crash"},
        "`created` does not fit",
    ),
    "an answer in ASCII": (
        acme(changed(ascii_answer)),
        {"response_keeps_text_as_it_is", "stream_equals_whole_response"},
        "became",
    ),
    "an empty object is an answer": (
        acme(Credulous),
        {"unreadable_response_is_an_error"},
        "an empty object, chat.completions: it passes for a response",
    ),
    "a field is not checked": (
        acme(Unchecked),
        {"odd_response_does_not_crash", "odd_event_does_not_crash"},
        "end` is None: it crashes",
    ),
    "all calls are number 0": (
        acme(stream=Renumbered),
        {"capability_is_shown", "stream_numbers_tool_calls", "stream_equals_whole_response"},
        "in a later fragment",
    ),
    "ids come again": (
        acme(stream=NamesAgain),
        {"stream_numbers_tool_calls"},
        "has an id or a name in a later fragment",
    ),
    "finishes twice": (acme(stream=FinishesTwice), {"stream_finishes_once"}, "finishes 2 times"),
    "goes on after its end": (acme(stream=GoesOn), {"stream_finishes_once"}, "goes on after its"),
    "calls finish with stop": (
        acme(CallsStop),
        {"response_finishes_for_a_reason", "stream_finishes_for_a_reason"},
        "tools are called, but `finish_reason` is 'stop'",
    ),
    "length told as calls": (
        acme(CallsMaskLength),
        {"response_finishes_for_a_reason", "stream_finishes_for_a_reason"},
        "`finish_reason` is",
    ),
    "no usage in streams": (
        acme(stream=NoUsage),
        {"stream_counts_tokens_once"},
        "no chunk has `usage`",
    ),
    "usage twice": (
        acme(stream=UsageTwice),
        {"stream_counts_tokens_once"},
        "`usage` comes 2 times",
    ),
    "usage in the last choice": (
        acme(stream=UsageEarly),
        {"stream_counts_tokens_once"},
        "the chunk with `usage` has choices",
    ),
    "no role in streams": (acme(stream=NoRole), {"stream_says_who_speaks"}, "has no role"),
    "the role again": (acme(stream=RoleAgain), {"stream_says_who_speaks"}, "comes more than once"),
    "an id for each chunk": (acme(stream=NewIds), {"stream_keeps_its_identity"}, "`id` changes"),
    "text before calls is lost": (
        acme(stream=TextLost),
        {"stream_equals_whole_response"},
        "Let me see.",
    ),
    "a break passes for the end": (
        acme(stream=Silent),
        {"empty_stream_is_an_error", "cut_off_stream_is_an_error"},
        "it passes for",
    ),
    "the vendor's error passes for the end": (
        acme(stream=ShowsTrouble),
        {"recorded_response_is_read", "recorded_error_is_reported"},
        "error",
    ),
    "one parser for all": (acme(Shared), {"streams_do_not_mix"}, "beside another"),
    "an event is not checked": (
        acme(stream=CrashesOnEvent),
        {"odd_event_does_not_crash"},
        "it crashes: TypeError",
    ),
    "pieces are taken for events": (
        acme(streaming=stream_by_piece),
        {
            "stream_is_the_same_however_split",
            "stream_keeps_text_as_it_is",
            "endless_event_is_an_error",
        },
        "by bytes",
    ),
    "U+2028 is taken for a line end": (
        acme(streaming=stream_by_splitlines),
        {"stream_keeps_text_as_it_is", "endless_event_is_an_error"},
        "became",
    ),
    "the connection is left open": (
        acme(streaming=stream_left_open),
        {"abandoned_stream_is_closed"},
        "the connection is still open",
    ),
    "crash on an HTML page": (
        acme(parse_error=crashing_error),
        {"error_status_is_reported"},
        "400 with an HTML page: it is JSONDecodeError",
    ),
    "Retry-After lost": (
        acme(parse_error=error_without_retry),
        {"retry_after_is_reported"},
        "it is lost from a 429",
    ),
    "never tried elsewhere": (
        acme(parse_error=error_is_final),
        {"error_status_is_reported"},
        "`retryable` is False",
    ),
    "every error is a 500": (
        acme(parse_error=error_is_500),
        {"error_status_is_reported", "recorded_error_is_reported"},
        "500",
    ),
    "no explanation": (
        acme(parse_error=error_without_why),
        {"recorded_error_is_reported"},
        "the vendor's explanation is lost",
    ),
    "key in an error": (
        acme(parse_error=error_with_key),
        {"secret_is_in_no_error"},
        "its message or a field of it",
    ),
    "key in a log": (acme(LogsKey), {"secret_is_in_no_log"}, "a log: a secret is revealed"),
    "key in repr": (acme(__repr__=shown), {"secret_is_in_no_repr"}, "shows a secret"),
    "declares sound": (
        acme(capabilities=MORE),
        {"capability_is_shown", "capability_is_served"},
        "you declare `audio`",
    ),
    "declares what there is not": (
        acme(capabilities=UNKNOWN),
        {"capabilities_are_known"},
        "`telepathy` is not a capability",
    ),
    "declares embeddings": (
        acme(capabilities=EMBEDDING),
        {
            "endpoint_is_served",
            "plain_conversation_is_served",
            "any_request_is_served_or_refused",
            "unreadable_response_is_an_error",
        },
        "embeddings",
    ),
    "the key is no secret": (
        acme(options_schema=OPEN_KEY),
        {"options_are_declared"},
        "looks like a secret, but is not `writeOnly`",
    ),
    "half an answer is mended": (
        acme(Mending),
        {"cut_off_response_is_an_error", "unreadable_response_is_an_error"},
        "it passes for a response",
    ),
    "a time in fractions": (
        acme(stream=TimeInFractions),
        {"chunk_fits_the_schema", "odd_event_does_not_crash"},
        "`created` does not fit",
    ),
}
