"""Whatever a user can meet is in the documentation, and what that names is there."""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import click
import pytest

from tornado_router import hookspecs
from tornado_router.cli import main
from tornado_router.errors import CODES
from tornado_router.http import openapi
from tornado_router.http.urls import ROUTES
from tornado_router.plugins.registry import load_plugins
from tornado_router.runtime.loaded_config import read_deployment

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "tornado_router"
PAGES = sorted((ROOT / "docs").rglob("*.md"))
README = (ROOT / "README.md").read_text()
ALL = "\n".join([README, *(page.read_text() for page in PAGES)])
METHODS = ("get", "post", "put", "patch", "delete")
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
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from commands(command, (*words, name))
        else:
            yield " ".join((*words, name))


def operations():
    """Every method of every path, as `POST /v1/embeddings`."""
    for path, item in openapi.document(ROUTES, "standard")["paths"].items():
        yield from ((method.upper(), path) for method in item if method in METHODS)


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
def test_every_command_is_explained(command):
    assert f"## `tornado-router {command}`\n" in (ROOT / "docs/cli.md").read_text()


@pytest.mark.parametrize("group", sorted(main.commands))
def test_the_readme_names_every_command_and_group(group):
    assert re.search(rf"^\| `tornado-router {group}[ `]", README, re.M)


@pytest.mark.parametrize("tool", ["commands", "configuration"])
def test_generated_pages_are_up_to_date(tool):
    command = [sys.executable, "-m", f"tools.{tool}", "--check"]
    checked = subprocess.run(command, check=False, cwd=ROOT, capture_output=True, text=True)
    assert (checked.returncode, checked.stderr) == (0, "")


@pytest.mark.parametrize("name", ["cli.md", "configuration.md"])
def test_generated_pages_have_no_indented_text(name):
    """Markdown would show it as code."""
    assert not re.search(r"^ {4}", (ROOT / "docs" / name).read_text(), re.M)


def test_options_of_provider_types_are_below_the_table_that_has_them():
    headings = re.findall(r"^##+ .*", (ROOT / "docs/configuration.md").read_text(), re.M)
    at = headings.index('### `type = "openai"`')
    above = [heading for heading in headings[:at] if heading.startswith("## ")]
    assert above[-1] == "## `[providers.NAME]`"


@pytest.mark.parametrize(("method", "path"), operations())
def test_every_operation_is_named(method, path):
    assert re.search(rf"`{method} {re.escape(path)}(?![\w/{{-])", ALL)


@pytest.fixture(scope="module")
def examples():
    """The tables of docs/providers.md."""
    text = (ROOT / "docs/providers.md").read_text()
    return re.findall(r"^```toml\n(.*?)^```", text, re.M | re.S)


def test_examples_of_providers_are_right_and_all_on(examples, tmp_path):
    path = tmp_path / "router.toml"
    for example in examples:
        path.write_text(example)
        keys = dict.fromkeys(re.findall(r"\$\{(\w+)", example), "secret")
        providers = read_deployment(path, keys).providers.values()
        assert [item.off for item in providers if not item.provider] == []


def test_every_type_of_provider_has_an_example(examples):
    shown = {
        table["type"] for text in examples for table in tomllib.loads(text)["providers"].values()
    }
    assert shown == set(load_plugins().types)


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


def test_the_list_of_decisions_is_whole():
    text = (ROOT / "docs/decisions/index.md").read_text()
    decisions = [page.name for page in PAGES if page.parent.name == "decisions"]
    assert [name for name in decisions if name != "index.md" and f"({name})" not in text] == []


def test_every_room_is_on_the_page_of_the_architecture():
    named = set(re.findall(r"\w+", (ROOT / "docs/architecture.md").read_text()))
    modules = {path.stem for path in PACKAGE.glob("[!_]*.py")}
    packages = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert modules | packages <= named
