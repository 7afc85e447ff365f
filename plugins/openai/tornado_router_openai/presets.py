"""Vendors that speak OpenAI's format, each by its own name: `type = "mistral"` and so on.

What is here is what differs. A vendor that is not here needs only `type = "openai"` and its
`base_url`, or a plugin with a class like these.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import ClassVar

from tornado_router_openai.provider import OpenAIProvider

_WITH_COMPLETIONS: Mapping[str, Collection[str]] = {
    **OpenAIProvider.capabilities,
    "completions": (),
}
_OLD_NAMES = {"max_completion_tokens": "max_tokens"}


class Azure(OpenAIProvider):
    """https://learn.microsoft.com/azure/ai-foundry/openai/api-version-lifecycle (the v1 API).

    `base_url` is `https://RESOURCE.openai.azure.com/openai/v1`; a model is a deployment's name.
    """

    otel_provider_name = "azure.ai.openai"
    capabilities: ClassVar[Mapping[str, Collection[str]]] = _WITH_COMPLETIONS
    default_base_url: ClassVar[str] = ""
    key_header: ClassVar[str] = "api-key"


class Mistral(OpenAIProvider):
    """https://docs.mistral.ai/api: an unknown field is a 422; usage comes in every stream."""

    otel_provider_name = "mistral_ai"
    capabilities: ClassVar[Mapping[str, Collection[str]]] = {
        **OpenAIProvider.capabilities,
        "moderations": (),
    }
    default_base_url: ClassVar[str] = "https://api.mistral.ai/v1"
    asks_usage: ClassVar[bool] = False
    renamed: ClassVar[Mapping[str, str]] = {**_OLD_NAMES, "seed": "random_seed"}
    unknown_hints: ClassVar[Collection[str]] = frozenset(
        {
            "metadata",
            "prompt_cache_key",
            "safety_identifier",
            "service_tier",
            "store",
            "user",
        }
    )


class Groq(OpenAIProvider):
    """https://console.groq.com/docs/openai."""

    default_base_url: ClassVar[str] = "https://api.groq.com/openai/v1"


class DeepSeek(OpenAIProvider):
    """https://api-docs.deepseek.com."""

    default_base_url: ClassVar[str] = "https://api.deepseek.com/v1"
    renamed: ClassVar[Mapping[str, str]] = _OLD_NAMES


class XAI(OpenAIProvider):
    """https://docs.x.ai/docs/api-reference."""

    otel_provider_name = "x_ai"
    capabilities: ClassVar[Mapping[str, Collection[str]]] = _WITH_COMPLETIONS
    default_base_url: ClassVar[str] = "https://api.x.ai/v1"


class Together(OpenAIProvider):
    """https://docs.together.ai/docs/openai-api-compatibility."""

    capabilities: ClassVar[Mapping[str, Collection[str]]] = _WITH_COMPLETIONS
    default_base_url: ClassVar[str] = "https://api.together.xyz/v1"
    renamed: ClassVar[Mapping[str, str]] = _OLD_NAMES


class Fireworks(OpenAIProvider):
    """https://docs.fireworks.ai/tools-sdks/openai-compatibility."""

    capabilities: ClassVar[Mapping[str, Collection[str]]] = _WITH_COMPLETIONS
    default_base_url: ClassVar[str] = "https://api.fireworks.ai/inference/v1"
    renamed: ClassVar[Mapping[str, str]] = _OLD_NAMES


class OpenRouter(OpenAIProvider):
    """https://openrouter.ai/docs/api-reference/overview."""

    capabilities: ClassVar[Mapping[str, Collection[str]]] = _WITH_COMPLETIONS
    default_base_url: ClassVar[str] = "https://openrouter.ai/api/v1"
    probe_path: ClassVar[str] = "/key"  # its list of models is open to all


class _Local(OpenAIProvider):
    """A server of one's own: without a key, on this machine unless `base_url` says otherwise."""

    capabilities: ClassVar[Mapping[str, Collection[str]]] = _WITH_COMPLETIONS
    needs_key: ClassVar[bool] = False


class Ollama(_Local):
    """https://docs.ollama.com/api/openai-compatibility."""

    default_base_url: ClassVar[str] = "http://127.0.0.1:11434/v1"
    renamed: ClassVar[Mapping[str, str]] = _OLD_NAMES


class VLLM(_Local):
    """https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html."""

    default_base_url: ClassVar[str] = "http://127.0.0.1:8000/v1"


class LlamaCpp(_Local):
    """https://github.com/ggml-org/llama.cpp/tree/master/tools/server."""

    default_base_url: ClassVar[str] = "http://127.0.0.1:8080/v1"


PRESETS: Mapping[str, type[OpenAIProvider]] = {
    "azure": Azure,
    "deepseek": DeepSeek,
    "fireworks": Fireworks,
    "groq": Groq,
    "llama.cpp": LlamaCpp,
    "mistral": Mistral,
    "ollama": Ollama,
    "openrouter": OpenRouter,
    "together": Together,
    "vllm": VLLM,
    "xai": XAI,
}
