"""Whatever a user can meet is in the documentation, and what that names is there."""

import ast
import re
from pathlib import Path

import click
import pytest

from tornado_router import hookspecs
from tornado_router.cli import main
from tornado_router.errors import CODES
from tornado_router.urls import ROUTES

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "tornado_router"
PAGES = sorted((ROOT / "docs").rglob("*.md"))
ALL = "\n".join(page.read_text() for page in [*PAGES, ROOT / "README.md"])
HELPERS = {"invalid_request": 3, "unauthorized": 2}
"""Functions that take a code as their last argument, and how many they have with it."""


ERRORS = (ROOT / "docs/errors.md").read_text()
ROWS = re.findall(r"^\| \d+ \| `(\w+)` \| .", ERRORS, re.M)
"""The codes of its tables, which have one row for each."""


def sources():
    """What can raise an error: the router, and the plugins that come with it."""
    for path in [*PACKAGE.rglob("*.py"), *ROOT.glob("plugins/*/tornado_router_*/**/*.py")]:
        if not {"openapi", "scaffold", "testing"} & set(path.relative_to(ROOT).parts):
            yield path


def named_codes():
    """What the source gives as a code: `code=...`, or the last argument of a helper."""
    for path in sources():
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call):
                continue
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            yield from (item.value for item in node.keywords if item.arg == "code")
            if len(node.args) == HELPERS.get(name):
                yield node.args[-1]


def commands(group=main, words=()):
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, (*words, name))
        else:
            yield " ".join((*words, name))


def test_every_code_of_the_source_is_in_the_list():
    found = set()
    for code in named_codes():
        assert not isinstance(code, ast.JoinedStr), f"{ast.unparse(code)}: codes are not made up"
        choices = [code.body, code.orelse] if isinstance(code, ast.IfExp) else [code]
        found |= {choice.value for choice in choices if isinstance(choice, ast.Constant)}
    assert {"invalid_api_key", "insufficient_quota", "weak_password"} <= found
    assert sorted(found - CODES - {None}) == []


def test_every_code_of_the_list_is_in_the_source():
    source = "\n".join(path.read_text() for path in sources())
    listed = (PACKAGE / "errors.py").read_text()
    for code in sorted(CODES):
        assert source.count(f'"{code}"') > listed.count(f'        "{code}",\n'), code


def test_every_code_has_one_row():
    assert sorted(ROWS) == sorted(CODES)


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
