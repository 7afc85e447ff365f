"""Vendors by name: where they are, and what of a request they see differently."""

import json

import pytest

from tornado_router.provider import Call, OptionError
from tornado_router_openai import OpenAIProvider, register_providers

PRESETS = {name: kind for name, kind in register_providers().items() if name != "openai"}
MESSAGES = [{"role": "user", "content": "hi"}]


def sent(kind, *, stream=False, options=None, **fields):
    """What the vendor gets for a request, and what was dropped from it."""
    options = {"api_key": "k", "base_url": "https://x.test/v1"} if options is None else options
    body = {"model": "m", "messages": MESSAGES, **({"stream": True} if stream else {}), **fields}
    raw = json.dumps(body).encode()
    call = Call("id", "chat.completions", "m", body, raw, stream)
    request = kind("it", options).endpoints["chat.completions"].build_request(call)
    return request, json.loads(request.body), call.dropped


@pytest.mark.parametrize("name", sorted(set(PRESETS) - {"azure"}))
def test_a_vendor_needs_no_address(name):
    request, _, _ = sent(PRESETS[name], options={"api_key": "k"})
    assert request.url == PRESETS[name].default_base_url + "/chat/completions"
    assert request.headers["Authorization"] == "Bearer k"


def test_all_that_are_promised_are_there():
    promised = (
        "azure cohere mistral moonshot groq deepseek xai together fireworks openrouter ollama vllm "
        "llama.cpp"
    )
    assert set(PRESETS) == set(promised.split())


@pytest.mark.parametrize("name", ["ollama", "vllm", "llama.cpp"])
def test_a_server_of_ones_own_needs_no_key(name):
    request, _, _ = sent(PRESETS[name], options={})
    assert "Authorization" not in request.headers


@pytest.mark.parametrize("name", ["groq", "mistral", "xai"])
def test_a_vendor_needs_a_key(name):
    with pytest.raises(OptionError) as caught:
        PRESETS[name]("it", {})
    assert caught.value.option == "api_key"


def test_azure_has_an_address_for_each_customer():
    with pytest.raises(OptionError) as caught:
        PRESETS["azure"]("it", {"api_key": "k"})
    assert caught.value.option == "base_url"
    options = {"api_key": "k", "base_url": "https://r.openai.azure.com/openai/v1/"}
    request, _, _ = sent(PRESETS["azure"], options=options)
    assert request.url == "https://r.openai.azure.com/openai/v1/chat/completions"
    assert request.headers["api-key"] == "k"
    assert "Authorization" not in request.headers


@pytest.mark.parametrize(
    "name", ["deepseek", "fireworks", "mistral", "moonshot", "ollama", "together"]
)
def test_the_limit_has_its_old_name(name):
    _, body, dropped = sent(PRESETS[name], max_completion_tokens=5)
    assert body["max_tokens"] == 5
    assert "max_completion_tokens" not in body
    assert dropped == []


def test_mistral_refuses_what_it_does_not_know_so_it_does_not_see_it():
    _, body, dropped = sent(PRESETS["mistral"], seed=7, store=True, user="u", top_k=3)
    assert body == {"model": "m", "messages": MESSAGES, "random_seed": 7, "top_k": 3}
    assert sorted(dropped) == ["store", "user"]


def test_mistral_gives_usage_unasked():
    _, body, dropped = sent(PRESETS["mistral"], stream=True, stream_options={"include_usage": True})
    assert body == {"model": "m", "messages": MESSAGES, "stream": True}
    assert dropped == []


def test_a_vendor_of_ones_own_is_a_few_lines():
    class Example(OpenAIProvider):
        default_base_url = "https://api.example.com/v1"

    request, _, _ = sent(Example, options={"api_key": "k"})
    assert request.url == "https://api.example.com/v1/chat/completions"


def test_opentelemetry_knows_vendors_by_its_own_names():
    """https://opentelemetry.io/docs/specs/semconv/registry/attributes/gen-ai/."""
    names = {name: kind.otel_provider_name or name for name, kind in register_providers().items()}
    well_known = {"openai", "cohere", "azure.ai.openai", "mistral_ai", "groq", "deepseek", "x_ai"}
    others = {"moonshot", "together", "fireworks", "openrouter", "ollama", "vllm", "llama.cpp"}
    assert set(names.values()) == well_known | others
    assert (names["azure"], names["mistral"]) == ("azure.ai.openai", "mistral_ai")
