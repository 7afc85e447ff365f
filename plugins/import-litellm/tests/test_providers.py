"""Providers for the deployments of a LiteLLM proxy: their addresses, and whose key goes where."""

import pytest

from tornado_router_import_litellm.providers import Providers
from tornado_router_import_litellm.references import References
from tornado_router_import_litellm.settings import Settings
from tornado_router_import_litellm.vendors import VARIABLES, VENDORS


class Deployments:
    """What becomes of deployments, one after the other."""

    def __init__(self):
        self.notes = []
        note = lambda where, message: self.notes.append(f"{where}: {message}")  # noqa: E731
        self.providers = Providers(References({}, "os.environ/", VARIABLES, note), note)

    def add(self, vendor, model="m", owner="my-model", **params):
        self.params = Settings(params, "params")
        name = self.providers.add(VENDORS[vendor], model, self.params, owner)
        return self.providers.tables[name]


@pytest.fixture
def deployments():
    return Deployments()


@pytest.mark.parametrize("key", ["none", "None", "EMPTY", "", "dummy", "not-needed"])
def test_a_server_that_needs_no_key_gets_none(deployments, key):
    table = deployments.add("openai", api_base="http://0.0.0.0:4000/v1", api_key=key)
    assert "api_key" not in table
    assert deployments.add("openai")["api_key"] == "${OPENAI_API_KEY}"


@pytest.mark.parametrize("self_hosted_first", [True, False])
def test_a_vendors_key_does_not_go_to_another_server(deployments, self_hosted_first):
    own = {"api_base": "http://10.0.0.1/v1", "api_key": "sk-own"}
    for params in (own, {}) if self_hosted_first else ({}, own):
        table = deployments.add("openai", owner="vllm-models", **params)
        expected = "${VLLM_MODELS_API_KEY}" if params else "${OPENAI_API_KEY}"
        assert table["api_key"] == expected


def test_a_server_without_a_key_is_not_sent_the_vendors(deployments):
    assert "api_key" not in deployments.add("openai", api_base="http://10.0.0.1/v1")
    assert "LiteLLM sends OPENAI_API_KEY to this server" in deployments.notes[0]


def test_one_key_is_one_provider(deployments):
    for model in ("a", "b"):
        table = deployments.add("openai", model, api_base="http://10.0.0.1/v1", api_key="sk-1")
    assert table["models"] == ["a", "b"]
    deployments.add("openai", "a", api_base="http://10.0.0.1/v1", api_key="sk-2")
    assert len(deployments.providers.tables) == 2


def test_a_number_is_a_key_too(deployments):
    assert deployments.add("openai", api_key=123456)["api_key"] == "${MY_MODEL_API_KEY}"


@pytest.mark.parametrize(
    ("vendor", "key"),
    [("gemini", "GEMINI_API_KEY"), ("together_ai", "TOGETHERAI_API_KEY"), ("xai", "XAI_API_KEY")],
)
def test_without_a_key_it_is_the_one_that_litellm_reads(deployments, vendor, key):
    assert deployments.add(vendor)["api_key"] == f"${{{key}}}"
    assert f"the variable {key} is used" in deployments.notes[0]


@pytest.mark.parametrize(
    ("vendor", "url", "base_url"),
    [
        ("azure", "https://openai-gpt.openai.azure.com/", "https://openai-gpt.openai.azure.com/openai/v1"),
        ("azure", "https://a.openai.azure.com/openai", "https://a.openai.azure.com/openai/v1"),
        ("azure", "https://a.openai.azure.com/openai/v1/", "https://a.openai.azure.com/openai/v1"),
        ("azure", "https://a.example/openai/deployments/x", "https://a.example/openai/v1"),
        ("azure", "https://a.example/openai-gateway", "https://a.example/openai-gateway/openai/v1"),
        ("azure", "os.environ/MY_BASE", "${MY_BASE}/openai/v1"),
        ("azure", None, "${AZURE_API_BASE}/openai/v1"),
        ("ollama", "http://localhost:11434", "http://localhost:11434/v1"),
        ("ollama", "http://localhost:11434/v1/", "http://localhost:11434/v1"),
        ("ollama", "os.environ/MY_BASE", "${MY_BASE}/v1"),
        ("openai", "os.environ/MY_BASE", "${MY_BASE}"),
        ("openai", "https://h.example/v$1/", "https://h.example/v$$1"),
        ("anthropic", "https://h.example/v1/messages", "https://h.example"),
        ("lm_studio", None, "${LM_STUDIO_API_BASE}"),
        ("hosted_vllm", None, "${HOSTED_VLLM_API_BASE}"),
    ],
)  # fmt: skip
def test_addresses(deployments, vendor, url, base_url):
    assert deployments.add(vendor, api_base=url)["base_url"] == base_url


@pytest.mark.parametrize("vendor", ["azure", "ollama"])
def test_what_a_variable_for_an_address_must_hold_is_told(deployments, vendor):
    deployments.add(vendor, api_base="os.environ/MY_BASE", api_key="os.environ/KEY")
    assert [note for note in deployments.notes if "without a slash at its end" in note]


def test_secrets_of_an_address(deployments):
    table = deployments.add("openai", base_url="https://user:pw@h.example/v1?key=SECRET#x")
    assert table["base_url"] == "https://${MY_MODEL_LOGIN}@h.example/v1"
    assert any(note.startswith("params.base_url: has a query") for note in deployments.notes)
    assert "SECRET" not in str(deployments.notes)


def test_what_is_no_address(deployments):
    """It must not be left out: the key would go to the vendor."""
    assert deployments.add("openai", api_base="10.0.0.1/v1")["base_url"] == "${MY_MODEL_BASE_URL}"


def test_headers_are_variables(deployments):
    headers = {"Helicone-Auth": "Bearer sk-1", "X-Env": "os.environ/TEAM", "X-None": None}
    table = deployments.add("openai", api_key="os.environ/K", extra_headers=headers)
    assert table["headers"] == {"Helicone-Auth": "${MY_MODEL_HELICONE_AUTH}", "X-Env": "${TEAM}"}
    assert deployments.notes == [
        "params.extra_headers.Helicone-Auth: may be a secret: "
        "set the variable MY_MODEL_HELICONE_AUTH to it"
    ]


def test_only_openai_knows_organizations(deployments):
    assert deployments.add("openai", organization="org-1")["organization"] == "org-1"
    assert "organization" not in deployments.add("anthropic", organization="org-1")
    assert list(deployments.params.left()) == ["params.organization"]


@pytest.mark.parametrize(
    ("timeout", "total"),
    [(30, 30.0), ("30", 30.0), ("os.environ/T", "${T}"), (0, None), ("x", None)],
)
def test_timeouts(deployments, timeout, total):
    assert deployments.add("openai", timeout=timeout).get("total_timeout") == total
    assert list(deployments.params.left()) == ([] if total else ["params.timeout"])


def test_what_holds_for_all(deployments):
    deployments.add("openai", "*")
    deployments.add("groq", "gpt$x", timeout=5)
    assert deployments.providers.finish(drops=True, timeout=60.0) == {
        "openai": {
            "type": "openai", "api_key": "${OPENAI_API_KEY}", "unsupported": "drop",
            "total_timeout": 60.0,
        },
        "groq": {
            "type": "groq", "api_key": "${GROQ_API_KEY}", "total_timeout": 5.0,
            "models": ["gpt$$x"], "unsupported": "drop",
        },
    }  # fmt: skip
