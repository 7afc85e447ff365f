"""Vendors that speak OpenAI's format, each by its own name: `type = "mistral"` and so on.

What is here is what differs, each with its source. A vendor that is not here needs only
`type = "openai"` and its `base_url`, or a plugin with a class like these.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import ClassVar

from tornado_router.provider import UpstreamRequest
from tornado_router_openai.chat_rules import ChatRules
from tornado_router_openai.provider import OpenAIProvider

_WITH_COMPLETIONS: Mapping[str, Collection[str]] = {
    **OpenAIProvider.capabilities,
    "completions": (),
}
_WITH_RESPONSES: Mapping[str, Collection[str]] = {**_WITH_COMPLETIONS, "responses": ()}
_AUDIO_TEXTS: Mapping[str, Collection[str]] = {
    "audio.transcriptions": (),
    "audio.translations": (),
}
_CHAT: Collection[str] = OpenAIProvider.capabilities["chat.completions"]
_LOGPROBS = ("logprobs", "top_logprobs")
_OLD_NAMES = {"max_completion_tokens": "max_tokens"}
_ROLES = {"developer": "system"}
"""Of vendors that know no `developer`, OpenAI's newer name; they refuse it or read past it:
https://github.com/ogx-ai/ogx/issues/6069 (vLLM), https://github.com/ollama/ollama-python/issues/453
and https://github.com/BerriAI/litellm-docs/pull/1210 (Fireworks)."""


class Cohere(OpenAIProvider):
    """https://docs.cohere.com/docs/compatibility-api, and https://docs.cohere.com/reference/rerank.

    Reranking is not below the compatible API. Its list of models is elsewhere, too.
    """

    capabilities: ClassVar[Mapping[str, Collection[str]]] = {
        **OpenAIProvider.capabilities,
        "rerank": (),
    }
    takes_cache_control: ClassVar[bool] = False
    default_base_url: ClassVar[str] = "https://api.cohere.ai/compatibility/v1"
    rerank_url: ClassVar[str] = "https://api.cohere.com/v2/rerank"
    reranks_texts: ClassVar[bool] = True
    chat: ClassVar[ChatRules] = ChatRules(roles=_ROLES)

    def probe(self) -> UpstreamRequest:
        """https://docs.cohere.com/reference/list-models."""
        if self.base_url != self.default_base_url:
            return super().probe()
        return UpstreamRequest("https://api.cohere.com/v1/models", b"", self.headers, "GET")


class Azure(OpenAIProvider):
    """https://learn.microsoft.com/azure/ai-foundry/openai/api-version-lifecycle (the v1 API).

    `base_url` is `https://RESOURCE.openai.azure.com/openai/v1`; a model is a deployment's name.
    """

    otel_provider_name = "azure.ai.openai"
    capabilities: ClassVar[Mapping[str, Collection[str]]] = {
        **_WITH_RESPONSES,
        **_AUDIO_TEXTS,
        "realtime": (),
        "images.edits": (),
        "images.generations": (),
        "responses.compact": (),
    }
    takes_cache_control: ClassVar[bool] = False
    default_base_url: ClassVar[str] = ""
    key_header: ClassVar[str] = "api-key"
    hosts_openai: ClassVar[bool] = True


class Mistral(OpenAIProvider):
    """https://docs.mistral.ai/api: an unknown field is a 422; usage comes in every stream.

    Fields as in https://github.com/mistralai/client-python/tree/main/src/mistralai/client/models:
    `chatcompletionrequest.py`, the messages beside it, and `embeddingrequest.py`. Ids of tool
    calls: https://github.com/langchain-ai/langchain/pull/24668. Temperature up to 1.5, by the
    refusal of more, as the documentation names no maximum:
    https://github.com/SillyTavern/SillyTavern/pull/4856.
    """

    otel_provider_name = "mistral_ai"
    capabilities: ClassVar[Mapping[str, Collection[str]]] = {
        **OpenAIProvider.capabilities,
        "audio.transcriptions": (),
        "chat.completions": tuple(word for word in _CHAT if word != "logprobs"),
        "moderations": (),
    }
    takes_cache_control: ClassVar[bool] = False
    default_base_url: ClassVar[str] = "https://api.mistral.ai/v1"
    asks_usage: ClassVar[bool] = False
    renamed: ClassVar[Mapping[str, str]] = {
        **_OLD_NAMES,
        "seed": "random_seed",
        "dimensions": "output_dimension",
    }
    unknown_hints: ClassVar[Collection[str]] = frozenset(
        {
            "prompt_cache_options",
            "prompt_cache_retention",
            "safety_identifier",
            "service_tier",
            "store",
            "user",
            "verbosity",
        }
    )
    chat: ClassVar[ChatRules] = ChatRules(
        roles=_ROLES,
        message_fields={
            "system": frozenset({"role", "content"}),
            "user": frozenset({"role", "content"}),
            "assistant": frozenset({"role", "content", "tool_calls", "prefix"}),
            "tool": frozenset({"role", "content", "tool_call_id", "name"}),
        },
        refused=(
            *("audio", "function_call", "functions", "logit_bias", "modalities", "moderation"),
            "web_search_options",
        ),
        approximated=_LOGPROBS,
        maxima={"temperature": 1.5},
        id_length=9,
        parses_arguments=True,
        system_first=True,
        replies_to_tools=True,
    )


class Groq(OpenAIProvider):
    """https://console.groq.com/docs/openai lists what is a 400.

    An unknown field is one, too, also in a message: https://github.com/janhq/jan/issues/8136 and
    https://github.com/musistudio/llms/pull/64. Fields of messages and the number of stop
    sequences: https://github.com/groq/groq-python/tree/main/src/groq/types/chat.
    """

    capabilities: ClassVar[Mapping[str, Collection[str]]] = {
        **OpenAIProvider.capabilities,
        **_AUDIO_TEXTS,
        "audio.speech": (),  # https://console.groq.com/docs/text-to-speech
        "chat.completions": tuple(word for word in _CHAT if word not in ("logprobs", "n")),
    }
    takes_cache_control: ClassVar[bool] = False
    default_base_url: ClassVar[str] = "https://api.groq.com/openai/v1"
    unknown_hints: ClassVar[Collection[str]] = frozenset(
        {
            "prompt_cache_key",
            "prompt_cache_options",
            "prompt_cache_retention",
            "safety_identifier",
            "verbosity",
        }
    )
    chat: ClassVar[ChatRules] = ChatRules(
        roles=_ROLES,
        message_fields={
            "system": frozenset({"role", "content"}),
            "user": frozenset({"role", "content"}),
            "assistant": frozenset({"role", "content", "function_call", "reasoning", "tool_calls"}),
            "tool": frozenset({"role", "content", "tool_call_id"}),
            "function": frozenset({"role", "content", "name"}),
        },
        refused=("audio", "logit_bias", "modalities", "moderation"),
        approximated=_LOGPROBS,
        maxima={"n": 1},
        stops=4,
    )


class DeepSeek(OpenAIProvider):
    """https://api-docs.deepseek.com/api/create-chat-completion."""

    takes_cache_control: ClassVar[bool] = False
    default_base_url: ClassVar[str] = "https://api.deepseek.com/v1"
    remembers: ClassVar[bool] = True
    renamed: ClassVar[Mapping[str, str]] = _OLD_NAMES
    chat: ClassVar[ChatRules] = ChatRules(roles=_ROLES, stops=16, returns_reasoning=True)


class Moonshot(OpenAIProvider):
    """https://platform.moonshot.cn/docs/api/chat.

    Its table of fields has a temperature from 0 to 1, and at most five strings as `stop`.
    """

    takes_cache_control: ClassVar[bool] = False
    default_base_url: ClassVar[str] = "https://api.moonshot.ai/v1"
    remembers: ClassVar[bool] = True
    renamed: ClassVar[Mapping[str, str]] = _OLD_NAMES
    chat: ClassVar[ChatRules] = ChatRules(
        roles=_ROLES, maxima={"temperature": 1}, stops=5, returns_reasoning=True
    )


class XAI(OpenAIProvider):
    """https://docs.x.ai/docs/api-reference: of images, it takes neither quality, size nor style."""

    otel_provider_name = "x_ai"
    capabilities: ClassVar[Mapping[str, Collection[str]]] = {
        **_WITH_RESPONSES,
        "images.generations": (),
    }
    no_image_fields: ClassVar[Collection[str]] = ("quality", "size", "style")
    takes_cache_control: ClassVar[bool] = False
    default_base_url: ClassVar[str] = "https://api.x.ai/v1"


class Together(OpenAIProvider):
    """https://docs.together.ai/docs/openai-api-compatibility."""

    capabilities: ClassVar[Mapping[str, Collection[str]]] = {
        **_WITH_COMPLETIONS,
        **_AUDIO_TEXTS,
        "audio.speech": (),  # https://docs.together.ai/docs/text-to-speech
        "rerank": (),  # https://docs.together.ai/docs/rerank-overview
    }
    takes_cache_control: ClassVar[bool] = False
    default_base_url: ClassVar[str] = "https://api.together.xyz/v1"
    renamed: ClassVar[Mapping[str, str]] = _OLD_NAMES
    chat: ClassVar[ChatRules] = ChatRules(roles=_ROLES)


class Fireworks(OpenAIProvider):
    """https://docs.fireworks.ai/tools-sdks/openai-compatibility.

    `maxItems` of `stop` is 4: https://docs.fireworks.ai/api-reference/post-chatcompletions.
    """

    capabilities: ClassVar[Mapping[str, Collection[str]]] = {
        **_WITH_COMPLETIONS,
        "rerank": (),  # https://docs.fireworks.ai/api-reference/rerank-documents
    }
    takes_cache_control: ClassVar[bool] = False
    default_base_url: ClassVar[str] = "https://api.fireworks.ai/inference/v1"
    renamed: ClassVar[Mapping[str, str]] = _OLD_NAMES
    chat: ClassVar[ChatRules] = ChatRules(roles=_ROLES, stops=4)


class OpenRouter(OpenAIProvider):
    """https://openrouter.ai/docs/api-reference/overview."""

    capabilities: ClassVar[Mapping[str, Collection[str]]] = _WITH_COMPLETIONS
    default_base_url: ClassVar[str] = "https://openrouter.ai/api/v1"
    probe_path: ClassVar[str] = "/key"  # its list of models is open to all


class _Local(OpenAIProvider):
    """A server of one's own: without a key, on this machine unless `base_url` says otherwise.

    The templates of Qwen and others refuse an instruction that does not come first:
    https://github.com/ggml-org/llama.cpp/issues/27367,
    https://github.com/ollama/ollama/issues/17774 and
    https://github.com/vllm-project/vllm/pull/44505.
    """

    capabilities: ClassVar[Mapping[str, Collection[str]]] = _WITH_COMPLETIONS
    needs_key: ClassVar[bool] = False


class Ollama(_Local):
    """https://docs.ollama.com/api/openai-compatibility.

    Arguments that are not an object are "invalid tool call arguments", and -1 stands for no bound:
    https://github.com/ollama/ollama/blob/main/openai/openai.go.
    """

    default_base_url: ClassVar[str] = "http://127.0.0.1:11434/v1"
    renamed: ClassVar[Mapping[str, str]] = _OLD_NAMES
    chat: ClassVar[ChatRules] = ChatRules(
        roles=_ROLES, parses_arguments=True, system_first=True, takes_unlimited=True
    )


class VLLM(_Local):
    """https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html.

    Arguments that are not an object are a 400: https://github.com/vllm-project/vllm/pull/48922.
    """

    capabilities: ClassVar[Mapping[str, Collection[str]]] = {
        **_WITH_COMPLETIONS,
        **_AUDIO_TEXTS,
        "rerank": (),
    }
    default_base_url: ClassVar[str] = "http://127.0.0.1:8000/v1"
    chat: ClassVar[ChatRules] = ChatRules(roles=_ROLES, parses_arguments=True, system_first=True)


class LlamaCpp(_Local):
    """https://github.com/ggml-org/llama.cpp/tree/master/tools/server.

    -1 stands for no bound (`n_predict`); arguments that are not JSON fail:
    https://github.com/OpenHands/software-agent-sdk/issues/2887.
    """

    capabilities: ClassVar[Mapping[str, Collection[str]]] = {**_WITH_COMPLETIONS, "rerank": ()}
    default_base_url: ClassVar[str] = "http://127.0.0.1:8080/v1"
    chat: ClassVar[ChatRules] = ChatRules(
        roles=_ROLES, parses_arguments=True, system_first=True, takes_unlimited=True
    )


PRESETS: Mapping[str, type[OpenAIProvider]] = {
    "azure": Azure,
    "cohere": Cohere,
    "deepseek": DeepSeek,
    "fireworks": Fireworks,
    "groq": Groq,
    "llama.cpp": LlamaCpp,
    "mistral": Mistral,
    "moonshot": Moonshot,
    "ollama": Ollama,
    "openrouter": OpenRouter,
    "together": Together,
    "vllm": VLLM,
    "xai": XAI,
}
