"""The file that `init` writes is one that `check` finds nothing wrong with."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from tornado_router.cli import init_command
from tornado_router.cli.main import main
from tornado_router.plugins.registry import DISTRIBUTIONS, Plugins, load_plugins
from tornado_router.runtime.config_warnings import config_warnings
from tornado_router.runtime.loaded_config import load_config


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return lambda *words, **how: CliRunner().invoke(main, ["init", *words], **how)


def read(**environ):
    loaded = load_config(Path("router.toml"), environ)
    return loaded, {name: item.off for name, item in loaded.providers.items()}


def test_the_file_serves_echo(run):
    done = run()
    assert done.exit_code == 0
    assert done.output.startswith("wrote router.toml; next:\n")
    assert "    tornado-router check --connect\n    tornado-router serve\n" in done.output
    loaded, off = read()
    assert off == {"echo": None}
    assert config_warnings(loaded) == []


def test_every_type_that_is_installed(run):
    types = sorted(load_plugins().types)
    done = run(*(word for name in types for word in ("--provider", name)))
    assert done.exit_code == 0, done.output
    _, off = read()
    assert set(off) == set(types)
    # servers of one's own need nothing, and vendors say what they need
    assert {name for name in types if off[name] is None} == {"echo", "llama.cpp", "ollama", "vllm"}
    assert off["openai"] == "OPENAI_API_KEY is not set"
    assert off["azure"] == "AZURE_BASE_URL is not set"
    assert "OPENAI_API_KEY" in done.output
    keys = {"AZURE_API_KEY": "a", "AZURE_BASE_URL": "https://a.example/v1", "OPENAI_API_KEY": "o"}
    _, off = read(**keys)
    assert off["openai"] is off["azure"] is None


def test_a_file_that_is_there_is_left_alone(run):
    Path("router.toml").write_text("mine")
    assert run().exit_code == 1
    assert Path("router.toml").read_text() == "mine"


def test_another_file(run):
    done = run("new/own.toml")
    assert "tornado-router serve new/own.toml\n" in done.output
    assert Path("new/own.toml").exists()


def test_types_that_are_not_installed(run, monkeypatch):
    assert "no provider type 'opnai'; did you mean 'openai'?" in run("--provider", "opnai").output
    manager = load_plugins().manager
    monkeypatch.setattr(init_command, "load_plugins", lambda: Plugins(manager))
    done = run("--provider", "groq")
    assert "pip install tornado-llm-router-openai" in done.output
    assert not Path("router.toml").exists()


def test_in_a_terminal_it_asks(run, monkeypatch):
    monkeypatch.setattr(init_command, "is_terminal", lambda: True)
    done = run(input="openai, ollama\n")
    assert "Installed provider types: anthropic, azure," in done.output
    _, off = read()
    assert set(off) == {"echo", "openai", "ollama"}


def test_the_types_of_this_project_are_known_with_their_distributions():
    plugins = load_plugins()
    assert {
        name: plugin.distribution
        for plugin in plugins.found
        for name in plugin.types
        if plugin.distribution.startswith("tornado-llm-router-")
    } == DISTRIBUTIONS
