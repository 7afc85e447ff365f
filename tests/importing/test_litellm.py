"""Configurations of LiteLLM proxies, as its documentation has them, and what becomes of them."""

import tomllib
from collections import Counter

import pytest
import yaml

from tornado_router.importing.litellm import convert

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
            "api_key": "${AZURE_API_KEY}",
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
        "weights": [3.0, 1.0, 0.0],
    }
    assert imported.tables["routes"] == {
        "gpt": gpt,
        "claude": {"targets": ["anthropic/claude-sonnet-5"]},
        "openai/*": {"targets": ["openai/*"]},
        "gpt-4": {**gpt, "targets": gpt["targets"][:2], "weights": [3.0, 1.0]},
    }


def test_the_rest(imported):
    assert imported.tables["routing"] == {
        "retries": 3, "breaker_failures": 3, "breaker_seconds": 30.0,
    }  # fmt: skip
    assert imported.tables["redis"] == {
        "host": "${REDIS_HOST}", "port": 6380, "password": "${REDIS_PASSWORD}",
    }  # fmt: skip
    assert imported.tables["prices"] == {
        "anthropic/claude-sonnet-5": {"input": 3.0, "output": 15.0}
    }
    assert imported.tables["targets"] == {
        "anthropic/claude-sonnet-5": {"context_window": 200000, "lacks": ["images"]}
    }


def test_what_has_no_equivalent_is_told(imported):
    assert {note.where for note in imported.notes} == {
        "model_list[0].litellm_params.rpm",
        "model_list[1].litellm_params.api_key",
        "model_list[1].litellm_params.api_version",
        "model_list[3].litellm_params.model",
        "litellm_settings.success_callback",
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
    "config",
    [
        {},
        {"model_list": None},
        {"model_list": [None, 7, {"model_name": "a"}], "router_settings": 7},
        {"model_list": [{"model_name": "a", "litellm_params": {"model": 7, "weight": "x"}}]},
        {"litellm_settings": {"fallbacks": [7, {"a": ["b"]}]}},
    ],
)
def test_nonsense_is_no_crash(config):
    convert(config)


def test_the_command(router_project, tmp_path):
    project = router_project({"config.yaml": BALANCED})
    done = project.cli("import", "litellm", "config.yaml")
    assert done.returncode == 0, done.stderr
    assert "wrote router.toml (routes: 4, providers: 3, notes: 8)" in done.stdout
    text = (project.folder / "router.toml").read_text()
    assert tomllib.loads(text)["routes"]["claude"] == {"targets": ["anthropic/claude-sonnet-5"]}
    assert "# - general_settings.master_key: keys are made here" in text
    assert "the environment variable REDIS_HOST is not set" in done.stderr
    assert "canary" not in text + done.stderr + done.stdout
    again = project.cli("import", "litellm", "config.yaml")
    assert again.returncode == 1
    assert "--force replaces it" in again.stderr
    environ = dict.fromkeys(
        ("REDIS_HOST", "REDIS_PASSWORD", "OPENAI_API_KEY", "AZURE_API_KEY", "ANTHROPIC_API_KEY"),
        "x",
    )
    checked = project.cli("check", **environ)
    # A router over Redis needs a secret, which LiteLLM has no setting for.
    assert [line for line in checked.stderr.splitlines() if "jwt_secret" not in line] == [
        "router.toml: 1 fault"
    ]


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
