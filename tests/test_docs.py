"""Whatever a user can meet is in the documentation, and what that names is there."""

import re
import shlex
import subprocess
import sys
import tomllib
from itertools import pairwise
from pathlib import Path

import click
import pytest

from tornado_router import hookspecs
from tornado_router.accounts import registration
from tornado_router.accounts.passwords import hash_password
from tornado_router.cli.main import main
from tornado_router.error_codes import ROWS
from tornado_router.http import openapi
from tornado_router.http.urls import ROUTES
from tornado_router.plugins.registry import load_plugins
from tornado_router.runtime.loaded_config import load_config

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "tornado_router"
PAGES = sorted((ROOT / "docs").rglob("*.md"))
README = (ROOT / "README.md").read_text()
ALL = "\n".join([README, *(page.read_text() for page in PAGES)])
METHODS = ("get", "post", "put", "patch", "delete")


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


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_errors_have_the_statuses_that_pages_say(page):
    raised = {(str(row.status), row.code) for row in ROWS}
    rows = re.findall(r"^\| (4\d\d|5\d\d) \| `(\w+)` \| [^`]", page.read_text(), re.M)
    assert set(rows) - raised == set()


@pytest.mark.parametrize("command", sorted(commands()))
def test_every_command_is_explained(command):
    assert f"## `tornado-router {command}`\n" in (ROOT / "docs/cli.md").read_text()


@pytest.mark.parametrize("group", sorted(main.list_commands(click.Context(main))))
def test_the_readme_names_every_command_and_group(group):
    assert re.search(rf"^\| `tornado-router {group}[ `]", README, re.M)


@pytest.mark.parametrize("tool", ["commands", "configuration", "errors", "matrix", "providers"])
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
        providers = load_config(path, keys).providers.values()
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


# What is on the pages to be pasted


@pytest.fixture
def app_files():
    """As the router.toml of this repository, where strangers may register."""
    return {
        "router.toml": """
        [auth]
        bcrypt_rounds = 4
        registration = "open"
        [plans.free]
        [providers.echo]
        type = "echo"
        models = ["echo"]
        """
    }


@pytest.fixture
def credentials(app, key):
    """An administrator's, by the names that pages have for them."""

    def sign_in():
        user = registration.create_user(
            app.services.serving.plans,
            "root@example.com",
            actor="test",
            password_hash=hash_password("x", 4),
            is_admin=True,
        )
        return app.services.accounts.sessions.begin(user).token

    return {"$ROUTER_KEY": key, "$TOKEN": app.storage.call(sign_in)}


def pasted():
    """The `curl` commands of all pages that ask a router on this machine."""
    for block in re.findall(r"^```sh\n(.*?)^```", ALL, re.M | re.S):
        for command in block.replace("\\\n", " ").splitlines():
            if command.startswith("curl ") and "127.0.0.1:3000" in command:
                yield command


MADE_UP = {
    "/users/7/": 404,
    "/api-keys/7/": 404,
    "/request-logs/17": 404,
    "after=8": 400,
    "CODE": 403,
}
"""What only the pages have, such as an invite, and the status for it."""


@pytest.mark.gen_test
async def test_commands_of_pages_run_as_they_are(http_client, base_url, credentials):
    commands = list(pasted())
    assert len(commands) > 15
    for command in commands:
        given = re.sub(r"\$\w+", lambda name: credentials[name[0]], command)
        words = shlex.split(given)
        url = next(word for word in words if word.startswith("http"))
        answer = await http_client.fetch(
            url.replace("http://127.0.0.1:3000", base_url),
            method="POST" if {"-d", "POST"} & set(words) else "GET",
            headers=dict(word.split(": ") for flag, word in pairwise(words) if flag == "-H"),
            body=words[words.index("-d") + 1] if "-d" in words else None,
            raise_error=False,
        )
        refused = {status for text, status in MADE_UP.items() if text in command}
        assert answer.code in (refused or {200, 201}), (command, answer.body)
        assert b"unknown_url" not in answer.body
