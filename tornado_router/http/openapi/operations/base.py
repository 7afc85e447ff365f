"""What is documented of one operation: one method of one path."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from msgspec import Struct

from tornado_router.endpoints import OPENAI, Dialect
from tornado_router.http.handlers.management import LARGEST_PAGE
from tornado_router.http.openapi.schemas import COUNT, ID, reference
from tornado_router.validation.schema import Schema

JSON = "application/json"

VENDOR = "4XX"
"""Stands for any status that a vendor chooses for its own refusal."""

LARGEST_ID = 10**15 - 1

Content = type[Struct] | Schema
"""One of the router's objects by its class, or any other schema."""


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One method of one path.

    Attributes:
        summary: what it does, in a few words.
        description: what else to know, as Markdown.
        body: what it takes, as a class or a schema; None if it takes nothing.
        body_required: whether a body has to be sent.
        examples: bodies to send, by their titles.
        forms: the same of forms with the names of files; None if it takes no forms.
        takes_json: whether a body may be JSON.
        models_of: the endpoint whose models they ask for; empty for that of the route.
        model_within: the field of them that holds the model's; empty for none.
        query: schemas of its query parameters, by name.
        content: the successful response by media type, as a class or a schema; none without a body.
        status: of the successful response.
        headers: of the successful response, beside those of every one.
        errors: statuses that not every operation has, as OpenAI's dialect has them.
        dialect: of its errors.
        tag: that it stands under; empty for that of the path.
    """

    summary: str
    description: str = ""
    body: Content | None = None
    body_required: bool = True
    examples: Mapping[str, Any] = field(default_factory=dict)
    forms: Mapping[str, Any] | None = None
    takes_json: bool = True
    models_of: str = ""
    model_within: str = ""
    query: Mapping[str, Schema] = field(default_factory=dict)
    content: Mapping[str, Content] = field(default_factory=dict)
    status: int = 200
    headers: tuple[str, ...] = ()
    errors: tuple[int | str, ...] = ()
    dialect: Dialect = OPENAI
    tag: str = ""

    def objects(self) -> Iterator[type[Struct]]:
        """The classes of the router's objects that it takes or returns."""
        for item in (self.body, *self.content.values()):
            if isinstance(item, type):
                yield item


Operations = Mapping[str, Mapping[str, Operation]]
"""Operations by the name of the route, and the method."""


def schema_of(content: Content) -> Schema:
    """The schema of a body: of an object, a reference to its component."""
    return reference(content.__name__) if isinstance(content, type) else content


def json(content: Content) -> dict[str, Content]:
    """A response of JSON."""
    return {JSON: content}


PAGE: Mapping[str, Schema] = {
    "limit": {
        "type": "integer",
        "minimum": 1,
        "maximum": LARGEST_PAGE,
        "default": 20,
        "description": "The most items to return.",
    },
    "after": {**COUNT, "maximum": LARGEST_ID, "description": "`next` of the previous page."},
}
"""The query parameters of a list."""

ANY_ID: Schema = {**COUNT, "maximum": LARGEST_ID}
USER_ID: Schema = {
    **ID,
    "maximum": LARGEST_ID,
    "description": "Another user's, for administrators.",
}
