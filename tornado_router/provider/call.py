"""One client request as a provider sees it, and what reads its body field by field."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from tornado_router.error_codes import Failure
from tornado_router.errors import ProviderError
from tornado_router.provider.files import CallFile

Unsupported = Literal["adapt", "reject", "drop"]
"""What an operator may want done with what a vendor cannot do: see `Params`."""

BOUNDS = ("max_completion_tokens", "max_tokens")
"""What a chat completion calls the bound on the tokens of each choice, the newer name first."""


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
        memory: what was kept for the tool calls in `body`, by their ids.
        dropped: paths of the parameters that were dropped; reported to the client in a header.
        kept: what `keep` was called with.
        files: the files of a form, in order.
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
    | `approximate`: the nearest is done instead | reported | refused | reported |
    | `unsupported`: the client would get something else | refused | refused | left out, reported |

    Args:
        call: whose body is read.
        hints: fields that change nothing about the response, such as `user`; where the vendor has
            no place for one it is dropped and reported, never refused.
    """

    CORE = frozenset({"model", "stream", "stream_options"})
    """Fields that the core serves itself."""

    def __init__(self, call: Call, hints: Collection[str] = ()) -> None:
        self._call = call
        self._hints = hints
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

    def finish(self) -> None:
        """Refuses or drops every field that was not taken.

        Raises:
            ProviderError: as `unsupported`.
        """
        for name in self._left:
            if name in self._hints:
                self._call.dropped.append(name)
            else:
                self.unsupported(name)
        self._left = {}

    def _refusal(self, path: str) -> ProviderError:
        return Failure.unsupported_parameter(model=self._call.model, param=path)
