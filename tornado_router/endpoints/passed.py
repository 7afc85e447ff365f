"""Endpoints whose requests go to a vendor as they are: for what it keeps under ids, and all else.

The router knows of them what is to be known of any: a name for keys, limits and usage, a dialect,
and what they use.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

from tornado_router.endpoints.ask import Ask, Output
from tornado_router.endpoints.base import JSON, Documentation, Encoded, Endpoint
from tornado_router.endpoints.dialects import ANTHROPIC, OPENAI, Dialect
from tornado_router.endpoints.openai_format import body_of, written
from tornado_router.endpoints.passed_usage import usage_in
from tornado_router.provider import Body, Call
from tornado_router.usage import Usage

PASSTHROUGH = "passthrough"
"""The permission for all that is passed through, and the endpoint of vendors' own APIs."""

_BOUNDS = ("max_tokens", "max_completion_tokens", "max_output_tokens", "maxOutputTokens")


class PassedAsk(Ask):
    """What a request asks for that goes to a vendor's own API: as far as it has a model."""

    __slots__ = ()

    def prompt(self) -> tuple[int, int]:
        """By the bytes of the JSON, if a model reads it."""
        return super().prompt() if self.call.model else (0, 0)

    def output(self) -> Output:
        """One choice, bounded as the request says, if a model is asked."""
        if not self.call.model:
            return Output(0, 0)
        inner = self.call.body.get("generationConfig")
        places = [self.call.body, inner if isinstance(inner, Mapping) else {}]
        found = [place.get(name) for place in places for name in _BOUNDS]
        bounds = [it for it in found if isinstance(it, int) and not isinstance(it, bool) and it > 0]
        return Output(1, min(bounds, default=None))


class PassedEndpoint(Endpoint):
    """Requests for one kind of things that a vendor keeps.

    Attributes:
        spends: whether its requests cost money that no response reports, such as a run of an
            assistant: who pays by the call cannot be let in.
    """

    dialect: ClassVar[Dialect] = OPENAI
    prompt_field: ClassVar[str] = ""
    documentation: ClassVar[Documentation]
    spends: ClassVar[bool] = False

    def ask(self, call: Call) -> Ask:
        """What a call asks for: nothing that is known before."""
        return PassedAsk(call)

    def estimate(self, call: Call, generated: int = 0) -> Usage:
        """Nothing but what the vendor reports, unless a model was asked."""
        return Usage(PassedAsk(call).prompt()[0], estimated=True) if call.model else Usage()

    def whole(self, call: Call, response: Body, model: str | None = None) -> Encoded:
        """The vendor's bytes as they are."""
        body, raw = body_of(response)
        usage = usage_in(body) if call.model else None
        used = self.estimate(call) if usage is None else usage
        return Encoded(written(body) if raw is None else raw, JSON, used)


class Kind(NamedTuple):
    """A kind of things that OpenAI keeps under ids.

    Attributes:
        name: of its endpoint, by which keys permit it and usage shows it.
        path: behind `/v1/`, that its requests begin with.
        spends: see `PassedEndpoint`.
        listed: whether OpenAI lists them.
        things: what they are called; empty where that is the name.
    """

    name: str
    path: str
    spends: bool = False
    listed: bool = True
    things: str = ""


KINDS: Sequence[Kind] = (
    Kind("files", "files"),
    Kind("uploads", "uploads", listed=False),
    Kind("batches", "batches"),
    Kind("vector_stores", "vector_stores"),
    Kind("conversations", "conversations", listed=False),
    Kind("containers", "containers", spends=True),
    Kind("evals", "evals", spends=True),
    Kind("fine_tuning", "fine_tuning/jobs", spends=True, things="fine-tuning jobs"),
    Kind("videos", "videos", spends=True),
    Kind("skills", "skills"),
    Kind("assistants", "assistants"),
    Kind("threads", "threads", spends=True, listed=False),
    Kind("agents", "agents", spends=True),
    Kind("vaults", "vaults"),
    Kind("voices", "audio/voices", listed=False),
    Kind("voice_consents", "audio/voice_consents"),
    Kind("stored_completions", "chat/completions", things="stored chat completions"),
)
"""What of OpenAI's API is passed through unless `[passthrough] paths` says otherwise."""


def _endpoint(kind: Kind, *, dialect: Dialect = OPENAI) -> Endpoint:
    values: dict[str, Any] = {
        "name": kind.name,
        "path": f"/{kind.path}",
        "spends": kind.spends,
        "dialect": dialect,
        "documentation": Documentation(
            summary=kind.things or kind.name.replace("_", " "), description=_description(kind)
        ),
    }
    made: Endpoint = type("Passed", (PassedEndpoint,), values)()
    return made


def _description(kind: Kind) -> str:
    """What to know of the requests of a kind."""
    text = (
        "As in the API of the vendor that keeps them. Of all that it keeps, only the user's own is "
        f"there: an id of another user is a 404. Needs the permission `{kind.name}`."
    )
    if not kind.spends:
        return text
    return f"{text} No response reports what it costs: refused for who pays by the call."


_OTHERS = Kind(PASSTHROUGH, "", things="what else a vendor keeps")
_OTHERS_OF_ANTHROPIC = _OTHERS._replace(name=f"{PASSTHROUGH}.anthropic")

PASSED: Mapping[str, Endpoint] = {
    **{it.name: _endpoint(it._replace(path=f"v1/{it.path}")) for it in KINDS},
    PASSTHROUGH: _endpoint(_OTHERS),
    _OTHERS_OF_ANTHROPIC.name: _endpoint(_OTHERS_OF_ANTHROPIC, dialect=ANTHROPIC),
}
"""Endpoints whose requests are passed through, by name."""
