"""Says what is wrong with a text that is not TOML, with the line at fault in it."""

from __future__ import annotations

import re
import tomllib

from tornado_router.errors import Fault

_PLACE = re.compile(r"\(at (?P<place>(?:line (?P<line>\d+)|end).*)\)$")
_HEADER = re.compile(r"\s*(\[{1,2}[^\]=]*\]{1,2})")
_KEY = re.compile(r"\s*([^=#]{1,60}?)\s*=")

_HINTS = {
    "Cannot overwrite a value": "it stands in the file twice, or as a value and as a table",
    "Cannot declare": "this table stands in the file twice",
    "Invalid value": "text needs quotes",
    "Expected '=' after a key": "write `name = value`",
    "Invalid statement": "write `name = value`, or `[table]`",
    "Illegal character": "text in quotes ends on its line; only three quotes span several",
    "Unescaped": "write it twice, or the text in single quotes",
    "Unclosed array": "a list ends with `]`",
}


def explain(error: tomllib.TOMLDecodeError, text: str) -> Fault:
    """The fault of a text.

    Of its line the name alone is shown: the value may be a secret.
    """
    message = str(error)
    found = _PLACE.search(message)
    if found is None:
        return Fault("", message)
    message = message[: found.start()].rstrip()
    hint = next((hint for start, hint in _HINTS.items() if message.startswith(start)), "")
    shown = _name(text.splitlines()[int(found["line"]) - 1]) if found["line"] else ""
    parts = [message, f" in `{shown}`" if shown else "", f"; {hint}" if hint else ""]
    return Fault(found["place"], "".join(parts))


def _name(line: str) -> str:
    """The table or the key that a line begins with; empty if it does not begin with one."""
    header = _HEADER.match(line)
    if header:
        return header[1]
    key = _KEY.match(line)
    return f"{key[1]} = ..." if key else ""
