"""The files of `schemas/`: how they are written, and compared."""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from tools.schemas.build import build
from tools.schemas.own import own_schemas
from tools.schemas.targets import PACKAGES, sdk_types

_WIDTH = 100
_MOST_LINES = 40


def render_all() -> dict[str, str]:
    """The text of every file, the manifest included, by file name."""
    schemas = {name: build(name, type_) for name, type_ in sdk_types().items()} | own_schemas()
    files = {f"{name}.json": render(schemas[name]) for name in sorted(schemas)}
    manifest = {
        "sources": {package: metadata.version(package) for package in PACKAGES},
        "sha256": {name: hashlib.sha256(text.encode()).hexdigest() for name, text in files.items()},
    }
    return {**files, "manifest.json": render(manifest)}


def render(value: Any) -> str:
    """JSON text in which what fits in one line stands in one: short files, and readable diffs."""
    return _render(value, 0) + "\n"


def _render(value: Any, depth: int) -> str:
    line = json.dumps(value, ensure_ascii=False)
    if len(line) + depth <= _WIDTH or not isinstance(value, dict | list):
        return line
    if isinstance(value, dict):
        entries = [f"{json.dumps(k)}: {_render(v, depth + 1)}" for k, v in value.items()]
    else:
        entries = [_render(entry, depth + 1) for entry in value]
    start, end = "{}" if isinstance(value, dict) else "[]"
    separator = ",\n" + " " * (depth + 1)
    return f"{start}\n{' ' * (depth + 1)}{separator.join(entries)}\n{' ' * depth}{end}"


def read(folder: Path) -> dict[str, str]:
    """The text of every file in a folder, by file name."""
    return {path.name: path.read_text("utf-8") for path in sorted(folder.glob("*.json"))}


def write(folder: Path, files: Mapping[str, str]) -> None:
    """Makes the folder's JSON files what they should be."""
    for name in read(folder).keys() - files.keys():
        (folder / name).unlink()
    for name, text in files.items():
        (folder / name).write_text(text, "utf-8", newline="\n")


def differences(present: Mapping[str, str], wanted: Mapping[str, str]) -> Iterator[str]:
    """Lines that say what differs, for a person; none when nothing does."""
    for name in sorted(present.keys() | wanted.keys()):
        if name not in wanted:
            yield f"{name}: should not be there"
        elif name not in present:
            yield f"{name}: missing"
        elif present[name] != wanted[name]:
            yield from _changes(name, present[name], wanted[name])


def _changes(name: str, present: str, wanted: str) -> Iterator[str]:
    diff = list(
        difflib.unified_diff(
            present.splitlines(), wanted.splitlines(), f"schemas/{name}", "generated", lineterm=""
        )
    )
    yield from diff[:_MOST_LINES]
    if len(diff) > _MOST_LINES:
        yield f"... and {len(diff) - _MOST_LINES} more lines"
