"""Makes the package of a new provider plugin: `tornado-router plugins new NAME`.

What it makes passes its conformance kit at once, for a vendor whose format is made up; its author
replaces the format by a real one, step by step. The files are in `template/`, as they will be but
for `$placeholders`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from string import Template
from types import MappingProxyType

from tornado_router import __version__

PREFIX = "tornado-llm-router-"
SUFFIX = ".tmpl"
"""Of a template's name, so that no tool takes one for code."""

_NAME = re.compile(r"[a-z]([a-z0-9-]*[a-z0-9])?")
_MAX_NAME = 50

# A wheel holds no dot files that its own tools would act on, and a folder's name cannot hold a
# placeholder, so both are spelled otherwise in the template.
_FOLDERS = {"package": "$package", "github": ".github/workflows"}
_FILES = {"gitignore": ".gitignore", "gitattributes": ".gitattributes"}


class ScaffoldError(ValueError):
    """Why no package is made, as a message for the user."""


def create(name: str, folder: Path, taken: Mapping[str, str] = MappingProxyType({})) -> Path:
    """Makes a package in a new folder.

    Args:
        name: of the provider type, as `type = "..."` in router.toml will have it.
        folder: where the package's own folder is made, named as its distribution.
        taken: provider types that exist, and the distributions that offer them. Of two plugins
            with the same type, the router would use neither.

    Returns:
        The package's folder.

    Raises:
        ScaffoldError: the name cannot be one or is taken, or the folder exists.
    """
    values = _values(name)
    if owner := taken.get(values["name"]):
        raise ScaffoldError(
            f"the provider type '{values['name']}' exists already, in {owner}; choose another name"
        )
    target = folder / values["distribution"]
    if target.exists():
        raise ScaffoldError(f"{target} exists already")
    template = resources.files(__package__).joinpath("template")
    for path, content in _files(template, values):
        file = target / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    return target


def _values(name: str) -> dict[str, str]:
    """What stands in place of the placeholders."""
    plain = re.sub(r"[-_.]+", "-", name.strip().lower()).removeprefix(PREFIX)
    if not _NAME.fullmatch(plain) or len(plain) > _MAX_NAME:
        raise ScaffoldError(
            f"'{name}' cannot be a name: it has to begin with a letter, and to hold letters, "
            f"digits and single hyphens only, {_MAX_NAME} at most"
        )
    major, minor, *_ = __version__.split(".")
    return {
        "name": plain,
        "distribution": f"{PREFIX}{plain}",
        "package": f"tornado_router_{plain.replace('-', '_')}",
        "class_name": "".join(word.capitalize() for word in plain.split("-")),
        "variable": plain.replace("-", "_").upper(),
        "core": f"tornado-llm-router>={major}.{minor},<{major}.{int(minor) + 1}",
        "testing": f"tornado-llm-router[testing]>={major}.{minor},<{major}.{int(minor) + 1}",
    }


def _files(folder: Traversable, values: dict[str, str], path: str = "") -> list[tuple[str, bytes]]:
    """The files of a template's folder, with their paths in the package."""
    found: list[tuple[str, bytes]] = []
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if entry.is_dir():
            inside = Template(_FOLDERS.get(entry.name, entry.name)).substitute(values)
            found += _files(entry, values, f"{path}{inside}/")
        elif entry.name.endswith(SUFFIX):
            plain = entry.name.removesuffix(SUFFIX)
            text = Template(entry.read_text(encoding="utf-8")).substitute(values)
            found.append((path + _FILES.get(plain, plain), text.encode()))
        elif not entry.name.endswith(".pyc"):
            found.append((path + entry.name, entry.read_bytes()))
    return found
