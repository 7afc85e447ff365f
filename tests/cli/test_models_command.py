"""The table of models: what clients may ask for, who serves it, and at which price."""

import json

import pytest
from click.testing import CliRunner

from tornado_router.cli.main import main

TOML = """
[providers.echo]
type = "echo"
models = ["echo", "dear"]
[providers.openai]
type = "openai"
api_key = "x"
models = ["gpt-4o", "*"]
[providers.gone]
type = "openai"
api_key = ""
models = ["gpt-4.1"]
[prices."echo/dear"]
input = 0.25
output = 10
[prices."gone/*"]
price_as = "openai/gpt-4o"
[routes.fast]
targets = ["echo/dear", "openai/gpt-4o"]
[routes."c-*"]
targets = ["openai/*"]
"""


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "router.toml").write_text(TOML)
    return lambda *words: CliRunner().invoke(main, ["models", *words])


def test_the_table(run):
    lines = [line.split("  ") for line in run().output.splitlines()]
    rows = [tuple(cell.strip() for cell in line if cell.strip()) for line in lines]
    assert rows == [
        ("model", "target", "state", "input", "output", "price from"),
        ("fast", "echo/dear", "on", "0.25", "10", '[prices."echo/dear"]'),
        ("fast", "openai/gpt-4o", "on", "2.5", "10", "genai-prices"),
        ("echo", "echo/echo", "on", "-", "-", "none: see [prices]"),
        ("dear", "echo/dear", "on", "0.25", "10", '[prices."echo/dear"]'),
        ("gpt-4o", "openai/gpt-4o", "on", "2.5", "10", "genai-prices"),
        ("gpt-4.1", "gone/gpt-4.1", "off: api_key is empty", "2.5", "10", "as openai/gpt-4o"),
        ("c-*", "openai/*", "on", "-", "-", "-"),
        ("openai/*", "openai/*", "on", "-", "-", "-"),
    ]


def test_for_programs(run):
    assert json.loads(run("--json").output)[2] == {
        "model": "echo",
        "target": "echo/echo",
        "state": "on",
        "input": None,
        "output": None,
        "price_from": "none: see [prices]",
    }


def test_in_a_narrow_terminal_each_row_is_a_block(run, monkeypatch):
    monkeypatch.setattr("tornado_router.cli.common.is_too_wide", lambda width: width > 40)
    assert "\n\nmodel       fast\ntarget      openai/gpt-4o\n" in run().output
