"""Commands that installed packages add to `tornado-router`."""

import re
import sys

import pytest
from click.testing import CliRunner

from tornado_router.cli.main import main
from tornado_router.cli.plugin_commands import OpenGroup

GOOD = """
import click


@click.command()
@click.option("--loud", is_flag=True)
@click.argument("name")
def greet(name, loud):
    "Greet a person by name."
    click.echo(f"hello {name}{'!' * loud}")
"""
BROKEN = {
    "an import that fails": "import a_module_that_is_missing",
    "an exit": "raise SystemExit(3)",
    "a fault with a key in it": "raise RuntimeError('key sk-abcdefghijklmnopqrstuvwxyz0123456789')",
    "something else than a command": "greet = print",
    "nothing of that name": "",
}


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Makes a distribution that offers `module:greet` as a command."""
    modules = []

    def make(distribution, path, source):
        module = re.sub(r"\W", "_", distribution)
        modules.append(module)
        folder = tmp_path / distribution
        info = folder / f"{module}-1.0.dist-info"
        info.mkdir(parents=True)
        (folder / f"{module}.py").write_text(source)
        (info / "METADATA").write_text(f"Name: {distribution}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(
            f"[tornado_router.commands]\n{path} = {module}:greet\n"
        )
        monkeypatch.syspath_prepend(str(folder))

    yield make
    for module in modules:
        sys.modules.pop(module, None)


def run(*words):
    return CliRunner().invoke(main, words)


@pytest.mark.parametrize("path", ["acme-greet", "import.acme-greet"])
def test_a_package_adds_a_command(install, path):
    install("acme", path, GOOD)
    done = run(*path.split("."), "Ada", "--loud")
    assert (done.exit_code, done.output) == (0, "hello Ada!\n")


def test_it_is_listed(install, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    install("acme", "acme-greet", GOOD)
    assert "acme-greet  Greet a person by name.\n" in run("--help").output
    listed = run("plugins")
    assert listed.exit_code == 0
    assert "acme 1.0\n  command acme-greet: loaded\n" in listed.output


@pytest.mark.parametrize("source", BROKEN.values(), ids=BROKEN)
def test_one_that_does_not_load_leaves_the_others_working(install, source, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    install("acme", "acme-greet", source)
    done = run("acme-greet", "Ada", "--loud")
    assert done.exit_code == 1
    assert done.output.startswith("Error: main acme-greet: acme 1.0 does not load: ")
    assert "sk-abc" not in done.output
    assert "acme-greet" in run("--help").output
    assert "  command acme-greet: acme 1.0 does not load: " in run("plugins").output
    assert run("plugins").exit_code == 1
    assert run("import", "litellm", "--help").exit_code == 0


def test_two_that_offer_the_same_are_both_left_out(install):
    install("acme", "acme-greet", GOOD)
    install("bcme", "acme-greet", GOOD)
    done = run("acme-greet", "Ada")
    assert done.exit_code == 1
    assert "offered by acme 1.0 and bcme 1.0; uninstall all but one" in done.output


def test_the_routers_own_commands_go_first(install, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    install("acme", "openapi", GOOD)
    assert '"openapi": "3' in run("openapi").output
    assert "  command openapi: the router has a command of this name\n" in run("plugins").output


def test_only_some_groups_take_commands(install, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    install("acme", "keys.greet", GOOD)
    assert "greet" not in run("keys", "--help").output
    assert "'keys' is not a group that takes commands" in run("plugins").output


def test_a_command_of_this_project_that_is_not_installed_names_its_package():
    group = OpenGroup("import", prefix="nothing.", separate={"litellm": "acme-import"})
    done = CliRunner().invoke(group, ["litellm", "config.yaml", "--force", "--help"])
    assert done.exit_code == 1
    assert done.output == "Error: import litellm: not installed: pip install acme-import\n"
    listed = CliRunner().invoke(group, ["--help"]).output
    assert "litellm  (not installed: pip install acme-import)" in " ".join(listed.split("\n"))
