"""Ids of what vendors keep, wherever they stand in a request: who names one has to own it.

Some are certain: texts in the form of OpenAI's or Anthropic's ids, and the values of fields that
hold nothing else. Each of them has to be the user's own. Any other text without blanks may be an
id, too, of a vendor or a field that is not known here: it must not be another user's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from tornado_router.errors import dotted

MAX_TEXT = 512
"""A longer text is none that holds an id."""

_CERTAIN = re.compile(
    r"(?i:agent|asst|batch|chatcmpl|cntr|container|conv|env|eval|file|ftjob|msgbatch|skill|thread"
    r"|upload|vault|video|voice|vs)[-_](?:(?=[a-z]*[A-Z0-9])[A-Za-z0-9]{16,}"
    r"|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})"
)
_TOKEN = re.compile(r"(?=[a-z_-]*[A-Z0-9])[A-Za-z0-9_-]{6,256}")
"""Of random letters and digits, some are neither of `a` to `z`; of words, most are."""

_FIELDS = frozenset(
    (
        *("agent_id", "assistant_id", "batch_id", "consent", "container", "container_id"),
        *("conversation", "conversation_id", "environment_id", "environment_template_id"),
        *("eval_id", "file_id", "file_ids", "input_file_id", "session_id", "thread_id"),
        *("training_file", "upload_id", "validation_file", "vault_id", "vault_ids"),
        *("vector_store_id", "vector_store_ids"),
    )
)
"""Fields that hold the id of something that stands for itself, or a list of such ids."""

_OWN_TEXTS = frozenset(("attributes", "metadata"))
"""Objects whose fields have names of the client's own."""


class Named(NamedTuple):
    """An id that a request names, or a text that may be one.

    Attributes:
        id: as the vendor has it.
        param: where it stands.
        is_certain: whether it has to be the user's own; others must not be another user's.
    """

    id: str
    param: str
    is_certain: bool


def is_certain(text: str) -> bool:
    """Whether a text has the form of an id of something that stands for itself."""
    return _CERTAIN.fullmatch(text) is not None


def ids_in_text(text: str, param: str, *, is_field: bool = False) -> Iterator[Named]:
    """What may be ids in one text.

    Args:
        text: of a query, a field of a form or a JSON value.
        param: where it stands.
        is_field: whether it stands where only an id can.
    """
    text = text.strip()
    if is_field and text:
        yield Named(text, param, is_certain=True)
        return
    if len(text) > MAX_TEXT or len(text.split(None, 1)) != 1:
        return
    for token in _TOKEN.findall(text):
        yield Named(token, param, is_certain(token))


def ids_in(value: Any) -> Iterator[Named]:
    """What may be ids in a JSON value, in the names of fields, too."""
    waiting: list[tuple[Any, tuple[str | int, ...], bool, bool]] = [(value, (), False, False)]
    while waiting:
        item, path, is_field, is_own = waiting.pop()
        if isinstance(item, str):
            yield from ids_in_text(item, dotted(path) or "body", is_field=is_field)
        elif isinstance(item, Mapping):
            for name, inner in item.items():
                yield from ids_in_text(name, dotted((*path, name)) or "body")
                names_id = not is_own and (
                    name in _FIELDS or (name == "id" and bool(path) and path[-1] in _FIELDS)
                )
                waiting.append((inner, (*path, name), names_id, is_own or name in _OWN_TEXTS))
        elif isinstance(item, list):
            waiting += [(inner, (*path, at), is_field, is_own) for at, inner in enumerate(item)]


def field_of(name: str) -> str:
    """The field that a name in a form stands for: `tools[0][file_id]` and `file_ids[]` do."""
    words = [word for word in name.replace("]", "").split("[") if word and not word.isdecimal()]
    return words[-1] if words else name


def names_an_id(name: str) -> bool:
    """Whether a field of a form holds an id and nothing else."""
    return field_of(name) in _FIELDS
