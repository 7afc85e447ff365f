"""What stands for something else in the strings of a configuration.

`${NAME}` and `${NAME:-default}` are environment variables, `${file:/run/secrets/name}` is what a
file holds, as secrets of containers are handed over, and `$$` is a dollar sign.

Done after parsing, so a value can never change the structure of the file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tornado_router.config.check import meant

REFERENCE = re.compile(
    r"\$(?:\$|\{file:(?P<file>[^}]*)\}"
    r"|\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?P<default>:-(?P<value>[^}]*))?\}|)"
)
"""`$$`, a reference to a file or to a variable, or a `$` that begins none."""

MAX_FILE_BYTES = 65_536

TYPO = 0.9
"""The likeness of a variable that is set to one that is not, as of `OPENAI_API_KEY` to the same
with one letter wrong: most names of keys are much like each other."""


def files(text: str) -> list[Path]:
    """The files that the references in one string name."""
    return [Path(match["file"]) for match in REFERENCE.finditer(text) if match["file"]]


class Expanded(str):
    """A string into which the environment was written; may stand for a number or a boolean."""

    __slots__ = ()


class ExpansionError(ValueError):
    """A reference that cannot be resolved.

    Attributes:
        missing: what is not there, a variable or a file, with a verb; None if the reference is
            malformed.
    """

    def __init__(self, message: str, missing: str | None = None) -> None:
        super().__init__(message)
        self.missing = missing


def expand(text: str, environ: Mapping[str, str]) -> str:
    """Replaces the references in one string.

    As in a shell, `:-default` also stands in for a variable that is set but empty.

    Raises:
        ExpansionError: a variable without a default is not set, a file cannot be read, or a `$`
            begins no reference.
    """
    if "$" not in text:
        return text

    def value(match: re.Match[str]) -> str:
        if match[0] == "$$":
            return "$"
        name = match["name"]
        if match["file"] is not None:
            return _read(Path(match["file"]))
        if name is None:
            raise ExpansionError("a '$' begins no '${NAME}'; write '$$' for a dollar")
        found = environ.get(name)
        if match["default"]:
            return found or match["value"]
        if found is None:
            hint = meant(name, environ, TYPO)
            raise ExpansionError(
                f"the environment variable {name} is not set{hint}", f"{name} is not set{hint}"
            )
        return found

    return Expanded(REFERENCE.sub(value, text))


def _read(path: Path) -> str:
    """The text of a file, without the line break that editors end it with."""
    if not path.is_absolute():
        raise ExpansionError(f"the path of a file must be absolute: {path}")
    try:
        with path.open(encoding="utf-8-sig") as file:
            text = file.read(MAX_FILE_BYTES + 1)
    except FileNotFoundError:
        raise ExpansionError(f"there is no file {path}", f"there is no file {path}") from None
    except UnicodeDecodeError:
        raise ExpansionError(f"the file {path} is not UTF-8 text") from None
    except OSError as error:
        raise ExpansionError(f"the file {path} cannot be read: {error.strerror}") from None
    if len(text) > MAX_FILE_BYTES:
        raise ExpansionError(f"the file {path} is too long for a value")
    return text.rstrip("\r\n")


def coerce(value: Any, schema: Mapping[str, Any]) -> Any:
    """Reads an expanded string as the number or boolean that its option is declared to be.

    Anything else comes back as it is, for the schema to judge, and so does what this schema does
    not know: a plugin's own options are read once its schema is at hand.
    """
    kind = schema.get("type")
    if isinstance(value, Mapping):
        properties = schema.get("properties", {})
        others = schema.get("additionalProperties")
        others = others if isinstance(others, Mapping) else {}
        return {name: coerce(item, properties.get(name, others)) for name, item in value.items()}
    if not isinstance(value, Expanded) or kind is None:
        return value
    if kind == "boolean":
        return {"true": True, "false": False}.get(value.lower(), str(value))
    try:
        if kind == "integer":
            return int(value)
        if kind == "number":
            return float(value)
    except ValueError:
        pass  # the schema says it better
    return str(value)
