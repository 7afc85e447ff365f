"""Which vendor serves a model of a LiteLLM proxy."""

import pytest

from tornado_router.plugins.registry import load_plugins
from tornado_router_import_litellm.vendors import VENDORS, served


@pytest.mark.parametrize(
    ("model", "custom", "host", "vendor", "name"),
    [
        ("groq/llama", None, None, "groq", "llama"),
        ("openai/facebook/opt", None, "0.0.0.0", "openai", "facebook/opt"),
        ("my-model", "azure", "x.openai.azure.com", "azure", "my-model"),
        ("azure/my-model", "azure", None, "azure", "my-model"),
        ("meta/llama", "openai", "localhost", "openai", "meta/llama"),
    ],
)
def test_what_is_said(model, custom, host, vendor, name):
    assert served(model, custom, host) == (vendor, name, "")


@pytest.mark.parametrize(
    ("model", "host", "vendor"),
    [
        ("gpt-4o", None, "openai"),
        ("claude-3-opus-20240229", None, "anthropic"),
        ("gemini-1.5-pro", None, "gemini"),
        ("command-r", None, "cohere"),
        ("*", None, "openai"),
        ("open-mixtral", "api.mistral.ai", "mistral"),
        ("my-model", "localhost", "openai"),
        ("my-model", "", "openai"),
    ],
)
def test_what_is_guessed_is_told(model, host, vendor):
    found = served(model, None, host)
    assert (found.vendor, found.model) == (vendor, model)
    assert found.guess


def test_what_nobody_can_tell():
    """Its key would go to a vendor that it may not be for."""
    assert served("my-model", None, None) is None


def test_every_vendor_has_a_type():
    assert {vendor.type for vendor in VENDORS.values()} <= set(load_plugins().types)
