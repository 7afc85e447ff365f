"""`tornado-router import litellm`, as the router finds it."""

import re
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner

from tornado_router.cli.main import main
from tornado_router.runtime.loaded_config import load_config

CONFIGS = sorted((Path(__file__).parent / "configs").glob("*.yaml"))
BALANCED = Path(__file__).parent / "balanced.yaml"


@pytest.fixture
def output(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path / "router.toml"


def run(source, *options):
    return CliRunner().invoke(main, ["import", "litellm", str(source), *options])


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_the_file_can_be_used_and_has_no_secret(path, output):
    done = run(path)
    assert done.exit_code == 0, done.output
    text = output.read_text()
    assert "SECRET" not in (text + done.output).replace("JWT_SECRET", "")
    values = {"T": "30", "REDIS_PORT": "6379"}
    for name in re.findall(r"\$\{(\w+)\}", text):
        values.setdefault(name, "https://h.example" if name.endswith("_BASE") else "value" * 8)
    loaded = load_config(output, values)
    assert [item.off for item in loaded.providers.values() if item.off] == []


def test_the_command(output):
    done = run(BALANCED)
    assert done.exit_code == 0, done.output
    assert "wrote router.toml (routes: 4, providers: 3, notes: 10)" in done.output
    text = output.read_text()
    assert tomllib.loads(text)["routes"]["claude"] == {"targets": ["anthropic/claude-sonnet-5"]}
    assert "# - general_settings.master_key: keys are made here" in text
    assert tomllib.loads(text)["server"] == {"port": 4000}
    assert "while LiteLLM has that, serve by another" in done.output
    assert "the environment variable REDIS_HOST is not set" in done.output
    assert "canary" not in text + done.output
    names = ("REDIS_HOST", "REDIS_PASSWORD", "OPENAI_API_KEY", "GPT_API_KEY", "ANTHROPIC_API_KEY")
    environment = dict.fromkeys(names, "x") | {"JWT_SECRET": "s" * 40 + "1"}
    checked = CliRunner(env=environment).invoke(main, ["check", str(output)])
    assert checked.exit_code == 0, checked.output


def test_a_file_is_replaced_only_by_force(output):
    output.write_text("mine")
    refused = run(BALANCED)
    assert refused.exit_code == 1
    assert "router.toml exists; --force replaces it" in refused.output
    assert output.read_text() == "mine"
    assert run(BALANCED, "--force").exit_code == 0
    assert output.read_text() != "mine"


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"a: [", "is not YAML"),
        (b"- 1", "has no settings"),
        (b"\xff", "is not UTF-8 text"),
    ],
)
def test_files_that_cannot_be_read(output, tmp_path, data, why):
    source = tmp_path / "config.yaml"
    source.write_bytes(data)
    done = run(source)
    assert done.exit_code == 1
    assert done.output.startswith("Error: ")
    assert why in done.output
    assert not output.exists()
