"""The router itself: its models, its health, and its errors."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from msgspec import UNSET, Meta, UnsetType

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


class Model(Object, kw_only=True):
    """A model that a client may ask for."""

    id: str
    object: Literal["model"] = "model"
    created: Time
    owned_by: str

    @classmethod
    def of(cls, model: routes.Model, created: int) -> Self:
        """The object of a model."""
        return cls(id=model.name, created=created, owned_by=model.owner)


class ModelList(Object, kw_only=True):
    """All models that the key may use."""

    object: Literal["list"] = "list"
    data: list[Model]


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
