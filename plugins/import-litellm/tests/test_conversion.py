"""Configurations of LiteLLM proxies, as its documentation has them, and what becomes of them.

Those in configs/ stand for many: whatever they hold, the file that is made of them can be
used, holds no secret of theirs, and has or lists every setting.
"""

import copy
from pathlib import Path

import pytest
import yaml

from tornado_router_import_litellm.conversion import convert

CONFIGS = sorted((Path(__file__).parent / "configs").glob("*.yaml"))

DEFAULTS = {("mode", "chat"), ("mode", "embedding"), ("routing_strategy", "simple-shuffle")}
"""Settings that say what would hold without them."""

BALANCED = (Path(__file__).parent / "balanced.yaml").read_text()


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
    assert imported.tables == {"server": {"port": 4000}}
    assert [note.where for note in imported.notes] == ["model_list[0]"]


@pytest.mark.parametrize(
    ("model", "mode", "endpoint"), [("openai/sora-2", "video_generation", "video_")]
)
def test_models_of_endpoints_that_are_not_served_are_left_out(model, mode, endpoint):
    chat = {"model_name": "a", "litellm_params": {"model": "openai/gpt-4o-mini"}}
    other = {"model_name": "b", "litellm_params": {"model": model}}
    if mode:
        other["model_info"] = {"mode": mode}
    imported = convert(
        {"model_list": [chat, other], "litellm_settings": {"fallbacks": [{"a": ["b"]}]}}
    )
    assert imported.tables["routes"] == {"a": {"targets": ["openai/gpt-4o-mini"]}}
    told = {note.where: note.message for note in imported.notes}
    assert f"not served, {endpoint}" in told["model_list[1]"]
    assert told["litellm_settings.fallbacks[0].a"] == "'b' is no model of the file: left out"


@pytest.mark.parametrize(
    "mode",
    [
        *("audio_speech", "audio_transcription", "chat", "completion", "embedding"),
        *("image_generation", "moderation", None),
    ],
)
def test_models_of_endpoints_that_are_served(mode):
    item = {"model_name": "a", "litellm_params": {"model": "openai/x"}, "model_info": {}}
    if mode:
        item["model_info"]["mode"] = mode
    imported = convert({"model_list": [item]})
    assert imported.tables["routes"] == {"a": {"targets": ["openai/x"]}}
    assert [note.where for note in imported.notes] == ["model_list[0].litellm_params.api_key"]


def test_a_bare_wildcard_is_told():
    imported = convert({"model_list": [{"model_name": "*", "litellm_params": {"model": "*"}}]})
    assert imported.tables["routes"] == {"*": {"targets": ["openai/*"]}}
    assert "all of them go to OpenAI" in imported.notes[0].message


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


def deployment(model, **info):
    return {
        "model_list": [
            {"model_name": "m", "litellm_params": {"model": model}, "model_info": dict(info)}
        ]
    }


def test_a_deployment_has_the_price_of_its_base_model():
    imported = convert(deployment("azure/europe", base_model="azure/gpt-4o"))
    assert imported.tables["prices"] == {"azure/europe": {"price_as": "azure/gpt-4o"}}
    assert not [note for note in imported.notes if "base_model" in note.where]


@pytest.mark.parametrize("vendor", ["vertex_ai", "vertex_ai_beta"])
def test_vertex_ai_is_led_to_its_provider(vendor):
    (note,) = convert(deployment(f"{vendor}/gemini-2.5-pro")).notes
    assert 'type = "google"' in note.message
    assert "docs/providers.md" in note.message


@pytest.mark.parametrize("name", ["callbacks", "success_callback", "failure_callback"])
def test_every_callback_is_led_to_metrics(name):
    (note,) = convert({"litellm_settings": {name: ["prometheus"]}}).notes
    assert "`token` in [metrics]" in note.message


def test_a_bound_of_the_response_is_led_to_the_provider():
    config = deployment("anthropic/claude-sonnet-5")
    config["model_list"][0]["litellm_params"]["max_tokens"] = 20
    (note,) = [note for note in convert(config).notes if note.where.endswith("max_tokens")]
    assert "`max_tokens` in the provider's table" in note.message
