"""Configurations of LiteLLM proxies, as its documentation has them, and what becomes of them.

Those in litellm/configs stand for many: whatever they hold, the file that is made of them can be
used, holds no secret of theirs, and has or lists every setting.
"""

import copy
import re
import tomllib
from collections import Counter
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from tornado_router.cli.import_command import import_
from tornado_router.importing.litellm import convert
from tornado_router.runtime.loaded_config import read_deployment

pytestmark = pytest.mark.sqlite_suffices

CONFIGS = sorted((Path(__file__).parent / "litellm" / "configs").glob("*.yaml"))

DEFAULTS = {("mode", "chat"), ("mode", "embedding"), ("routing_strategy", "simple-shuffle")}
"""Settings that say what would hold without them."""

BALANCED = """
model_list:
  - model_name: gpt
    litellm_params:
      model: openai/gpt-4.1
      api_key: os.environ/OPENAI_API_KEY
      weight: 3
      rpm: 900
  - model_name: gpt
    litellm_params:
      model: azure/gpt-4.1-eu
      api_base: https://example-eu.openai.azure.com/
      api_key: sk-canary-literal
      api_version: "2023-05-15"
      timeout: 30
  - model_name: claude
    litellm_params:
      model: anthropic/claude-sonnet-5
      api_key: os.environ/ANTHROPIC_API_KEY
      input_cost_per_token: 0.000003
      output_cost_per_token: 0.000015
    model_info:
      max_input_tokens: 200000
      supports_vision: false
      mode: chat
  - model_name: nova
    litellm_params: {model: bedrock/amazon.nova-pro, aws_region_name: us-east-1}
  - model_name: "openai/*"
    litellm_params: {model: "openai/*", api_key: os.environ/OPENAI_API_KEY}
litellm_settings:
  drop_params: true
  num_retries: 3
  request_timeout: 60
  fallbacks: [{"gpt": ["claude"]}]
  success_callback: ["langfuse"]
router_settings:
  routing_strategy: simple-shuffle
  allowed_fails: 3
  cooldown_time: 30
  redis_host: os.environ/REDIS_HOST
  redis_port: 6380
  redis_password: canary-password
  model_group_alias: {"gpt-4": "gpt"}
general_settings:
  master_key: sk-1234
  database_url: postgresql://canary
"""


@pytest.fixture(scope="module")
def imported():
    return convert(yaml.safe_load(BALANCED))


def test_providers(imported):
    assert imported.tables["providers"] == {
        "openai": {
            "type": "openai",
            "api_key": "${OPENAI_API_KEY}",
            "unsupported": "drop",
            "total_timeout": 60.0,
        },
        "azure": {
            "type": "azure",
            "base_url": "https://example-eu.openai.azure.com/openai/v1",
            "total_timeout": 30.0,
            "api_key": "${GPT_API_KEY}",
            "models": ["gpt-4.1-eu"],
            "unsupported": "drop",
        },
        "anthropic": {
            "type": "anthropic",
            "api_key": "${ANTHROPIC_API_KEY}",
            "models": ["claude-sonnet-5"],
            "unsupported": "drop",
            "total_timeout": 60.0,
        },
    }


def test_routes(imported):
    gpt = {
        "targets": ["openai/gpt-4.1", "azure/gpt-4.1-eu", "anthropic/claude-sonnet-5"],
        "strategy": "weighted",
        "weights": [3.0, 0.0, 0.0],
    }
    assert imported.tables["routes"] == {
        "gpt": gpt,
        "claude": {"targets": ["anthropic/claude-sonnet-5"]},
        "openai/*": {"targets": ["openai/*"]},
        "gpt-4": gpt,
    }


def test_the_rest(imported):
    assert imported.tables["routing"] == {
        "retries": 3, "breaker_failures": 4, "breaker_seconds": 30.0,
    }  # fmt: skip
    assert imported.tables["redis"] == {
        "host": "${REDIS_HOST}", "port": 6380, "password": "${REDIS_PASSWORD}",
    }  # fmt: skip
    assert imported.tables["auth"] == {"jwt_secret": "${JWT_SECRET}"}
    assert imported.tables["prices"] == {
        "anthropic/claude-sonnet-5": {"input": 3.0, "output": 15.0}
    }
    assert imported.tables["targets"] == {
        "anthropic/claude-sonnet-5": {"context_window": 200000, "lacks": ["images"]}
    }


def test_what_has_no_equivalent_is_told(imported):
    assert {note.where for note in imported.notes} == {
        "model_list[0].litellm_params.rpm",
        "model_list[1].litellm_params",
        "model_list[1].litellm_params.api_key",
        "model_list[1].litellm_params.api_version",
        "model_list[3]",
        "litellm_settings.success_callback",
        "router_settings.redis_host",
        "router_settings.redis_password",
        "general_settings.master_key",
        "general_settings.database_url",
    }


@pytest.mark.parametrize(
    "table", ["model_list", "litellm_settings", "router_settings", "general_settings", "new"]
)
def test_no_setting_is_lost(table):
    """A setting that nobody has ever heard of is told of, wherever it stands."""
    config = yaml.safe_load(BALANCED)
    if table == "model_list":
        config["model_list"][0]["litellm_params"]["of_tomorrow"] = 1
    else:
        config.setdefault(table, {})["of_tomorrow"] = 1
    assert any("of_tomorrow" in note.where or note.where == "new" for note in convert(config).notes)


@pytest.mark.parametrize(
    ("settings", "routing", "told"),
    [
        ({"num_retries": 30}, {"retries": 10}, "num_retries"),
        ({"allowed_fails": 0}, {"breaker_failures": 1}, None),
        ({"allowed_fails": 20}, {"breaker_failures": 20}, "allowed_fails"),
        ({"cooldown_time": 600}, {"breaker_seconds": 300}, "cooldown_time"),
        ({"cooldown_time": 0}, {"breaker_seconds": 0.001}, "cooldown_time"),
        ({"cooldown_time": "30"}, {"breaker_seconds": 30.0}, None),
    ],
)
def test_bounds_are_told(settings, routing, told):
    imported = convert({"router_settings": settings})
    assert imported.tables["routing"] == routing
    assert [note.where for note in imported.notes] == ([f"router_settings.{told}"] if told else [])


def test_the_settings_of_the_router_hold():
    imported = convert(
        {
            "model_list": [{"model_name": "a", "litellm_params": {"model": "ollama/a"}}],
            "router_settings": {"num_retries": 1, "timeout": 30},
            "litellm_settings": {"num_retries": 2, "request_timeout": 600},
        }
    )
    assert imported.tables["routing"] == {"retries": 1}
    assert imported.tables["providers"]["ollama"]["total_timeout"] == 30.0
    assert [note.where for note in imported.notes] == [
        "litellm_settings.num_retries", "litellm_settings.request_timeout",
    ]  # fmt: skip


def test_credentials():
    def deployment(name, credential, **params):
        params = {"model": f"azure/{name}", "litellm_credential_name": credential, **params}
        return {"model_name": name, "litellm_params": params}

    values = {"api_key": "os.environ/A_KEY", "api_base": "https://a.example"}
    imported = convert(
        {
            "model_list": [
                deployment("one", "mine"),
                deployment("own-key", "mine", api_key="os.environ/B_KEY"),
                deployment("two", "nobody's"),
            ],
            "credential_list": [{"credential_name": "mine", "credential_values": values}, 7],
        }
    )
    assert [table["api_key"] for table in imported.tables["providers"].values()] == [
        "${A_KEY}", "${B_KEY}", "${AZURE_API_KEY}",
    ]  # fmt: skip
    told = {note.where for note in imported.notes}
    assert {"model_list[2].litellm_params.litellm_credential_name", "credential_list[1]"} <= told


@pytest.mark.parametrize(
    ("name", "model"),
    [("a", "azure/"), ("a", "my-model"), ("a", "bedrock/x"), ("a", "openai/*"),
     ("a*b*", "openai/x"), ("*", "openai/*/*")],
)  # fmt: skip
def test_deployments_that_cannot_be_served(name, model):
    imported = convert({"model_list": [{"model_name": name, "litellm_params": {"model": model}}]})
    assert imported.tables == {}
    assert [note.where for note in imported.notes] == ["model_list[0]"]


def test_a_bare_wildcard_is_told():
    imported = convert({"model_list": [{"model_name": "*", "litellm_params": {"model": "*"}}]})
    assert imported.tables["routes"] == {"*": {"targets": ["openai/*"]}}
    assert "all of them go to OpenAI" in imported.notes[0].message


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_the_file_can_be_used_and_has_no_secret(path, tmp_path):
    output = tmp_path / "router.toml"
    done = CliRunner().invoke(import_, ["litellm", str(path), "--output", str(output)])
    assert done.exit_code == 0, done.output
    text = output.read_text()
    assert "SECRET" not in (text + done.output).replace("JWT_SECRET", "")
    values = {"T": "30", "REDIS_PORT": "6379"}
    for name in re.findall(r"\$\{(\w+)\}", text):
        values.setdefault(name, "https://h.example" if name.endswith("_BASE") else "value" * 8)
    deployment = read_deployment(output, values)
    assert [item.off for item in deployment.providers.values() if item.off] == []


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_setting_is_there_or_listed(path):
    """Whatever is taken away: the result differs, or something around it is listed."""
    config = yaml.safe_load(path.read_text())
    imported = convert(config)
    listed = {note.where for note in imported.notes}
    for place, value in leaves(config):
        if not listed.isdisjoint(around(place)) or (place[-1], value) in DEFAULTS:
            continue
        without = copy.deepcopy(config)
        del at(without, place[:-1])[place[-1]]
        assert convert(without) != imported, f"{place} is lost"


ODDITIES = [None, 7, -1, "x", "", "*", "a*b*", [], [7], {"x": 1}, True, float("inf"), "http://[x"]


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_nonsense_is_no_crash(path):
    config = yaml.safe_load(path.read_text())
    for place, _ in leaves(config):
        for end in range(1, len(place) + 1):
            for odd in ODDITIES:
                changed = copy.deepcopy(config)
                at(changed, place[: end - 1])[place[end - 1]] = odd
                convert(changed)


def leaves(value, place=()):
    """Each value that is no table and no list, and where it is."""
    if isinstance(value, dict | list) and value:
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, item in items:
            yield from leaves(item, (*place, key))
    else:
        yield place, value


def around(place):
    """The paths, as notes have them, of a setting and of all that it is in."""
    path = ""
    for key in place:
        path += f"[{key}]" if isinstance(key, int) else f".{key}" if path else key
        yield path


def at(value, place):
    for key in place:
        value = value[key]
    return value


def test_the_command(router_project, tmp_path):
    project = router_project({"config.yaml": BALANCED})
    done = project.cli("import", "litellm", "config.yaml")
    assert done.returncode == 0, done.stderr
    assert "wrote router.toml (routes: 4, providers: 3, notes: 10)" in done.stdout
    text = (project.folder / "router.toml").read_text()
    assert tomllib.loads(text)["routes"]["claude"] == {"targets": ["anthropic/claude-sonnet-5"]}
    assert "# - general_settings.master_key: keys are made here" in text
    assert "the environment variable REDIS_HOST is not set" in done.stderr
    assert "canary" not in text + done.stderr + done.stdout
    again = project.cli("import", "litellm", "config.yaml")
    assert again.returncode == 1
    assert "--force replaces it" in again.stderr
    environ = dict.fromkeys(
        ("REDIS_HOST", "REDIS_PASSWORD", "OPENAI_API_KEY", "GPT_API_KEY", "ANTHROPIC_API_KEY"),
        "x",
    )
    checked = project.cli("check", JWT_SECRET="s" * 40 + "1", **environ)
    assert checked.returncode == 0, checked.stderr


@pytest.mark.parametrize(("text", "why"), [("a: [", "is no YAML"), ("- 1", "holds no settings")])
def test_files_that_are_none(router_project, text, why):
    done = router_project({"config.yaml": text}).cli("import", "litellm", "config.yaml")
    assert done.returncode == 1
    assert why in done.stderr
    assert "Traceback" not in done.stderr


def test_what_was_imported_serves(router_project, upstream):
    deployments = "".join(
        f"  - model_name: fast\n    litellm_params:\n      model: openai/ok\n"
        f"      api_base: {upstream.url}/v1\n      api_key: os.environ/{name}\n"
        for name in ("KEY_A", "KEY_B")
    )
    project = router_project({"config.yaml": f"model_list:\n{deployments}"})
    assert project.cli("import", "litellm", "config.yaml").returncode == 0
    path = project.folder / "router.toml"
    path.write_text('[server]\nport = 0\n[log]\nformat = "json"\n' + path.read_text())
    router = project.serve(KEY_A="sk-a", KEY_B="sk-b")
    hello = {"model": "fast", "messages": [{"role": "user", "content": "hello"}]}
    for _ in range(20):
        assert router.post(hello).status == 200
    keys = Counter(dict(item["headers"])["Authorization"] for item in upstream.exchanges())
    assert set(keys) == {"Bearer sk-a", "Bearer sk-b"}
