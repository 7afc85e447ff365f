"""The router itself: its models, its health, and its errors."""

from __future__ import annotations

import datetime
from typing import Annotated, Any, Literal, Self

from msgspec import UNSET, Meta, UnsetType

from tornado_router.http.model_facts import ModelFacts
from tornado_router.http.objects.base import Count, Object, Time
from tornado_router.observability.redaction import printable_name
from tornado_router.routing import routes
from tornado_router.routing.health import TargetHealth


class ErrorDetails(Object, kw_only=True):
    """What went wrong."""

    message: Annotated[str, Meta(description="What is wrong, for people.")]
    type: str
    param: Annotated[
        str | None, Meta(description="The field at fault, such as `messages[1].content`.")
    ]
    code: Annotated[str | None, Meta(description="What is wrong, for programs.")]


class Error(Object, kw_only=True):
    """An error of the OpenAI API."""

    error: ErrorDetails


class AnthropicErrorDetails(Object, kw_only=True):
    """What went wrong."""

    type: Annotated[str, Meta(description="What is wrong, for programs.")]
    message: Annotated[
        str,
        Meta(description="For people; begins with the field at fault: `messages.0.content: ...`."),
    ]


class AnthropicError(Object, kw_only=True):
    """An error of the Anthropic API."""

    type: Literal["error"] = "error"
    error: AnthropicErrorDetails
    request_id: Annotated[str, Meta(description="As in `request-id`.")]


class Model(Object, kw_only=True):
    """A model that a client may ask for."""

    id: str
    object: Literal["model"] = "model"
    created: Time
    owned_by: str
    endpoints: Annotated[
        list[str], Meta(description="By which it can be called, such as `chat.completions`.")
    ]
    context_window: Annotated[
        int | UnsetType,
        Meta(description="Tokens of prompt and response together, of the target that takes most."),
    ] = UNSET
    max_output_tokens: Annotated[
        int | UnsetType, Meta(description="Tokens of the longest response.")
    ] = UNSET
    input_modalities: Annotated[
        list[str] | UnsetType, Meta(description="Of `text`, `image`, `audio` and `file`.")
    ] = UNSET
    prices: Annotated[
        dict[str, str] | UnsetType,
        Meta(
            description="US dollars for a million tokens, by kind, as they are charged; absent if "
            "there are none, or the targets of a route have different ones."
        ),
    ] = UNSET

    @classmethod
    def of(cls, model: routes.Model, created: int, facts: ModelFacts) -> Self:
        """The object of a model, with what is known of it."""
        return cls(
            id=model.name,
            created=created,
            owned_by=model.owner,
            endpoints=list(facts.endpoints),
            context_window=facts.context_window or UNSET,
            max_output_tokens=facts.max_output_tokens or UNSET,
            input_modalities=list(facts.input_modalities) or UNSET,
            prices=facts.prices or UNSET,
        )


class ModelList(Object, kw_only=True):
    """All models that the key may use."""

    object: Literal["list"] = "list"
    data: list[Model]


class AnthropicModel(Object, kw_only=True):
    """A model in the form of the Anthropic API: https://platform.claude.com/docs/en/api/models."""

    type: Literal["model"] = "model"
    id: str
    display_name: str
    created_at: Annotated[str, Meta(description="By RFC 3339; when the router was started.")]
    lifecycle: Literal["active"] = "active"
    max_input_tokens: Annotated[
        int | None, Meta(description="The largest context window of its targets, if one is known.")
    ]
    max_tokens: None = None
    capabilities: None = None
    line: None = None
    deprecated_at: None = None
    retires_at: None = None

    @classmethod
    def of(cls, name: str, created: int, window: int | None) -> Self:
        """The object of a model."""
        moment = datetime.datetime.fromtimestamp(created, datetime.UTC)
        return cls(
            id=name,
            display_name=name,
            created_at=moment.strftime("%Y-%m-%dT%H:%M:%SZ"),
            max_input_tokens=window,
        )


class AnthropicModelPage(Object, kw_only=True):
    """A page of the models that the key may use, in the form of the Anthropic API."""

    data: list[AnthropicModel]
    has_more: bool
    first_id: str | None
    last_id: str | None


class TargetState(Object, kw_only=True):
    """The state of a target."""

    provider: str
    model: str
    state: str
    failures: Count
    seconds_left: Annotated[float, Meta(description="Seconds until it is tried again.")]
    calls: Count
    first_byte_ms: float | None

    @classmethod
    def of(cls, item: TargetHealth) -> Self:
        """The object of a target."""
        first_byte = item.first_byte
        return cls(
            provider=item.target.provider,
            model=printable_name(item.target.model),
            state=item.state,
            failures=item.failures,
            seconds_left=round(item.seconds, 1),
            calls=item.in_flight,
            first_byte_ms=None if first_byte is None else round(first_byte * 1000, 1),
        )


class Health(Object, kw_only=True):
    """The state of the router. What has names is for administrators, with a key or a session."""

    status: Literal["ok", "stopping"]
    database: Literal["ok", "away"]
    redis: Literal["ok", "away", "off"]
    calls: Count
    loop_lag_ms: float
    ledger_bytes: Count
    version: str | UnsetType = UNSET
    providers: dict[str, dict[str, Any]] | UnsetType = UNSET
    targets: list[TargetState] | UnsetType = UNSET
    broken_plugins: dict[str, str] | UnsetType = UNSET
