"""How API keys and their fields are given on the command line."""

from __future__ import annotations

from typing import Any

import click

from tornado_router.accounts.keys import KEY_PREFIX, SHOWN_CHARACTERS
from tornado_router.cli.common import MAX_DIGITS

NONE = "none"
"""The word that lifts a limit."""

LIFTED = object()
"""What it is read as, since None is an option that was not given."""


class KeyName(click.ParamType[str]):
    """An API key as a person names it: see `accounts.keys.find_named`."""

    name = "key"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """See `click.ParamType`."""
        text = value.removesuffix("...")
        is_id = text.isascii() and text.isdecimal() and len(text) <= MAX_DIGITS
        is_beginning = text.startswith(KEY_PREFIX) and len(text) >= SHOWN_CHARACTERS
        if not is_id and not is_beginning:
            self.fail(
                f"{value!r} is neither the id of a key nor its beginning as `keys list` shows it",
                param,
                ctx,
            )
        return text


class OrNone(click.ParamType[Any]):
    """A value, or the word that lifts a limit.

    Args:
        kind: the type of the value.
    """

    def __init__(self, kind: click.ParamType[Any]) -> None:
        self._kind = kind
        self.name = f"{kind.name}|{NONE}"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """See `click.ParamType`."""
        return LIFTED if value in (NONE, LIFTED) else self._kind.convert(value, param, ctx)


def as_field(value: Any) -> Any:
    """A value that was given, as HTTP has it: null for a limit that is lifted.

    Raises:
        UsageError: a list has the word beside other values.
    """
    if value is LIFTED:
        return None
    if isinstance(value, tuple) and LIFTED in value:
        if len(value) > 1:
            raise click.UsageError(f"{NONE} lifts a limit, so it stands alone")
        return None
    return value
