"""One client request as a provider sees it, and what reads its body field by field."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from tornado_router.error_codes import Failure
from tornado_router.errors import ProviderError
from tornado_router.provider.files import CallFile
from tornado_router.provider.multipart import Part
from tornado_router.provider.passing import Passing

Unsupported = Literal["adapt", "reject", "drop"]
"""What an operator may want done with what a vendor cannot do: see `Params`."""

UnsupportedKind = Literal["hint", "approximation", "loss"]
"""What a vendor's lack of a field amounts to: see `Params` and `Translator.unsupported_fields`."""

NO_FIELDS: Mapping[str, UnsupportedKind] = {}

ROUTER_SIGNATURE = "tornado-router"
"""Begins the signature of a thought that the router has made of another vendor's, as clients send
thoughts back. No vendor is ever sent such a thought: it would refuse the signature."""

BOUNDS = ("max_completion_tokens", "max_tokens")
"""What a chat completion calls the bound on the tokens of each choice, the newer name first."""


_INDEX = re.compile(r"\[\d+\]")

_NEUTRAL: Mapping[str, Any] = {
    "frequency_penalty": 0,
    "functions": [],
    "logit_bias": {},
    "logprobs": False,
    "metadata": {},
    "modalities": ["text"],
    "n": 1,
    "parallel_tool_calls": True,
    "presence_penalty": 0,
    "service_tier": "auto",
    "stop": [],
    "store": False,
    "tools": [],
    "top_logprobs": 0,
    "verbosity": "medium",
}


def asks_for_nothing(name: str, value: Any) -> bool:
    """Whether a field of a chat completion says what holds without it; libraries send such."""
    return value is None or (name in _NEUTRAL and bool(value == _NEUTRAL[name]))


def output_bounds(body: Mapping[str, Any]) -> list[int]:
    """The bounds that a chat completion sets on the tokens of a choice; of two, the lesser holds.

    Null is none, and so is -1, by which LM Studio and llama.cpp mean that there is no bound.
    """
    bounds = []
    for name in BOUNDS:
        value = body.get(name)
        if value is not None and value > 0:
            bounds.append(int(value))  # for JSON Schema, 2.0 is an integer
    return bounds


@dataclass(slots=True)
class Call:
    """One client request, as the provider that serves it sees it.

    Attributes:
        id: the request's id, as in `x-request-id`.
        endpoint: which API was called, such as `chat.completions`.
        model: the vendor's own name of the model to use.
        body: the client's JSON object, valid against the endpoint's schema; of a form, its fields.
            Its `model` is the name that the client asked for. Not to be changed: another provider
            may be tried with it.
        raw: the bytes that `body` was read from; of a form, none.
        stream: whether the client wants chunks.
        unsupported: what the operator wants done with what the vendor cannot do. See `Params`.
        memory: what was kept for the tool calls in `body`, by their ids. Some of it may have been
            through the hands of the client, so it is to be checked like all else in a request.
        dropped: paths of the parameters that were dropped; reported to the client in a header.
        kept: what `keep` was called with.
        files: the files of a form, in order.
        parts: of a form, fields and files alike, in the order in which they were sent.
        headers: those of the request that belong to the API of the endpoint, such as
            `anthropic-beta`, by their names in lower case; see `Endpoint.forwarded_headers`.
        passing: knows which events of the stream may pass unread; None if all are to be read.
        takes_cache_marks: whether the provider said so of the model: see
            `Provider.takes_cache_marks`.
        previous: the id of the response that the call goes on from, which is in `body` in full;
            empty for none.
    """

    id: str
    endpoint: str
    model: str
    body: Mapping[str, Any]
    raw: bytes
    stream: bool
    unsupported: Unsupported = "reject"
    memory: Mapping[str, Any] = field(default_factory=dict)
    dropped: list[str] = field(default_factory=list)
    kept: dict[str, Any] = field(default_factory=dict)
    files: Sequence[CallFile] = ()
    parts: Sequence[Part] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    passing: Passing | None = None
    takes_cache_marks: bool = False
    previous: str = ""

    def keep(self, tool_call_id: str, value: Any) -> None:
        """Has the core keep a JSON value until the tool call's result comes back.

        For what a vendor wants to see again but an OpenAI client does not carry, such as the
        signature of a thought. It is in `memory` of the calls of the same user and provider
        that have the tool call among their messages, unless too much time has passed.
        """
        self.kept[tool_call_id] = value


class Params:
    """Reads a client's body field by field, so that nothing in it is dropped unseen.

    Every field is either taken or unsupported: `finish` treats what was never taken as the
    operator wishes. A field that is null counts as absent, as in OpenAI's API.

    | what the vendor cannot do | `adapt` | `reject` | `drop` |
    |---|---|---|---|
    | a hint: the response stays what was asked for | left out, reported | the same | the same |
    | an approximation: the nearest is done instead | reported | refused | reported |
    | a loss: the client would get something else | refused | refused | left out, reported |

    Args:
        call: whose body is read.
        hints: fields that change nothing about the response, such as `user`; where the vendor has
            no place for one it is dropped and reported, never refused.
        fields: the kinds of fields, as `Translator.unsupported_fields` has them. One that is
            neither there nor a hint is a loss.
    """

    CORE = frozenset({"model", "stream", "stream_options"})
    """Fields that the core serves itself."""

    def __init__(
        self,
        call: Call,
        hints: Collection[str] = (),
        fields: Mapping[str, UnsupportedKind] = NO_FIELDS,
    ) -> None:
        self._call = call
        self._hints = hints
        self._fields = fields
        self._left = {
            name: value
            for name, value in call.body.items()
            if value is not None and name not in self.CORE
        }

    def take(self, name: str, default: Any = None) -> Any:
        """The value of a field that the vendor can do; `default` if the client left it out."""
        return self._left.pop(name, default)

    def take_bound(self) -> int | None:
        """The bound on the tokens of each choice of a chat completion: of two, the lesser."""
        bounds = output_bounds(self._left)
        for name in BOUNDS:
            self._left.pop(name, None)
        return min(bounds, default=None)

    def approximate(self, path: str) -> None:
        """Reports one part of the body of which the vendor does what comes nearest.

        Args:
            path: of the part, such as `temperature`.

        Raises:
            ProviderError: as `unsupported`, if the operator wants nothing approximated.
        """
        if self._call.unsupported == "reject":
            raise self._refusal(path)
        self._call.dropped.append(path)

    def unsupported(self, path: str) -> None:
        """Refuses or drops one part of the body that the vendor cannot do.

        Args:
            path: of the part, such as `messages[2].content[0]`.

        Raises:
            ProviderError: 400 naming the path, unless the operator wants it dropped. Another
                provider may well support it, so it is retryable.
        """
        if self._call.unsupported != "drop":
            raise self._refusal(path)
        self._call.dropped.append(path)

    def leave_out(self, path: str) -> None:
        """Leaves a part of the body out, as its kind has it.

        Args:
            path: of the part, by which its kind was given: that of `messages[2].name` as
                `messages.name`.

        Raises:
            ProviderError: as `approximate` or `unsupported`.
        """
        field = path if path in self._fields else _INDEX.sub("", path)
        kind = "hint" if path in self._hints else self._fields.get(field, "loss")
        if kind == "hint":
            self._call.dropped.append(path)
        elif kind == "approximation":
            self.approximate(path)
        else:
            self.unsupported(path)

    def finish(self) -> None:
        """Leaves out every field that was not taken; without a word if it asks for nothing.

        Raises:
            ProviderError: as `leave_out`.
        """
        for name, value in self._left.items():
            if not asks_for_nothing(name, value):
                self.leave_out(name)
        self._left = {}

    def _refusal(self, path: str) -> ProviderError:
        return Failure.unsupported_parameter(model=self._call.model, param=path)
