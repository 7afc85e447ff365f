"""Texts of another gateway's file as router.toml writes them: plain, or as `${NAME}`.

No secret is copied. One that is spelled out in the file becomes a variable, which is never one
that the file or a vendor's own tools already use: that would hold another key.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

Note = Callable[[str, str], None]
"""Notes something for the operator: the path of a setting, and what there is to say about it."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class References:
    """The variables of one imported file.

    Args:
        config: what the file holds.
        prefix: what a reference to the environment starts with in it.
        reserved: variables that no secret may be given.
        note: notes for the operator what to set.
    """

    def __init__(self, config: object, prefix: str, reserved: Collection[str], note: Note) -> None:
        self._prefix = prefix
        self._note = note
        self._used = {*reserved}
        self._used.update(
            text.removeprefix(prefix) for text in _texts(config) if text.startswith(prefix)
        )
        self._variables: dict[str, str] = {}

    def reference(self, text: str, where: str) -> str | None:
        """The `${NAME}` for a reference to the environment; None for any other text."""
        if not text.startswith(self._prefix):
            return None
        name = text.removeprefix(self._prefix)
        if _NAME.fullmatch(name):
            return f"${{{name}}}"
        return f"${{{self._variable(text, name, where, 'has a name that cannot be used here')}}}"

    def value(self, text: str, where: str) -> str:
        """A text that is not a secret."""
        return self.reference(text, where) or plain(text)

    def secret(self, text: str, name: str, where: str, why: str = "is spelled out") -> str:
        """The reference that stands for a secret; equal ones share a variable.

        Args:
            text: the secret, or a reference to it.
            name: what the variable should be called, in any spelling.
            where: the path of the setting.
            why: what is wrong with leaving it as it is.
        """
        return self.reference(text, where) or f"${{{self._variable(text, name, where, why)}}}"

    def _variable(self, text: str, name: str, where: str, why: str) -> str:
        known = self._variables.get(text)
        if known is None:
            known = base = shout(name)
            number = 2
            while known in self._used:
                known = f"{base}_{number}"
                number += 1
            self._used.add(known)
            self._variables[text] = known
        self._note(where, f"{why}: set the variable {known} to it")
        return known


def plain(text: str) -> str:
    """A text of the source, in which a dollar sign is nothing but that."""
    return text.replace("$", "$$")


def shout(name: str) -> str:
    """A name as variables are spelled: `gpt-4.1` is `GPT_4_1`."""
    shouted = re.sub(r"[^A-Z0-9]+", "_", name.upper()).strip("_")
    return f"MODEL_{shouted}" if not shouted or shouted[0].isdigit() else shouted


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
