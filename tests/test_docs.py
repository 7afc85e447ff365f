"""Whatever a user can meet is in the documentation, and what that names is there."""

import ast
import re
from pathlib import Path

import click
import pytest

from tornado_router import hookspecs
from tornado_router.cli import main
from tornado_router.urls import ROUTES

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "tornado_router"
PAGES = sorted((ROOT / "docs").rglob("*.md"))
ALL = "\n".join(page.read_text() for page in [*PAGES, ROOT / "README.md"])
HELPERS = {"invalid_request": 3, "unauthorized": 2}
"""Functions that take a code as their last argument, and how many they have with it."""


def codes():
    """Every error code that the source names: `code="..."`, or the last argument of a helper."""
    found = set()
    for path in PACKAGE.rglob("*.py"):
        if "testing" in path.parts or "scaffold" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call):
                continue
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            values = [item.value for item in node.keywords if item.arg == "code"]
            if len(node.args) == HELPERS.get(name):
                values.append(node.args[-1])
            for value in values:
                if isinstance(value, ast.Constant) and isinstance(value.value, str):
                    found.add(value.value)
    return found


def commands(group=main, words=()):
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, (*words, name))
        else:
            yield " ".join((*words, name))


def test_the_source_names_codes():
    assert {"invalid_api_key", "rate_limit_exceeded", "weak_password", "metrics_are_off"} <= codes()


@pytest.mark.parametrize("code", sorted(codes()))
def test_every_error_code_is_explained(code):
    assert f"`{code}`" in (ROOT / "docs/errors.md").read_text()


def test_no_error_code_is_made_up():
    source = "\n".join(path.read_text() for path in PACKAGE.rglob("*.py"))
    rows = re.findall(r"^\| \d+ \| `(\w+)`", (ROOT / "docs/errors.md").read_text(), re.M)
    assert len(rows) == len(set(rows)) > 40
    assert [code for code in rows if f'"{code}"' not in source] == []


@pytest.mark.parametrize("command", sorted(commands()))
def test_every_command_is_named(command):
    *groups, last = command.split()
    among = rf"{' '.join(groups)} [a-z|]*\b{last}\b"  # as in `db migrate|status`
    assert re.search(rf"tornado-router {command}\b|`{command}\b|\b{among}", ALL)


@pytest.mark.parametrize("path", [route.path for route in ROUTES])
def test_every_path_is_named(path):
    assert path.replace("{model}", "{id}") in ALL


@pytest.mark.parametrize(
    "hook", [name for name, item in vars(hookspecs).items() if hasattr(item, "tornado_router_spec")]
)
def test_every_hook_is_explained(hook):
    assert f"## `{hook}(" in (ROOT / "docs/hooks.md").read_text()


@pytest.mark.parametrize("page", [*PAGES, *ROOT.glob("*/README.md"), ROOT / "README.md"], ids=str)
def test_links_lead_somewhere(page):
    links = re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", page.read_text())
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_the_site_has_every_page():
    text = (ROOT / "mkdocs.yml").read_text()
    assert [page.name for page in PAGES if f"{page.relative_to(ROOT / 'docs')}\n" not in text] == []
