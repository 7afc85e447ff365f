"""Which vendor serves a model of a LiteLLM proxy, and the provider type for it.

As in https://docs.litellm.ai/docs/providers: `vendor/model`, or a bare name that LiteLLM knows.
"""

from __future__ import annotations

from typing import NamedTuple


class Vendor(NamedTuple):
    """What we have for one of LiteLLM's vendors.

    Attributes:
        type: the provider type that serves it.
        key: the variable that LiteLLM takes its key from if the file has none; empty where no key
            is needed.
        base: the same for its address, where each customer has another.
    """

    type: str
    key: str = ""
    base: str = ""


VENDORS = {
    "anthropic": Vendor("anthropic", "ANTHROPIC_API_KEY"),
    "azure": Vendor("azure", "AZURE_API_KEY", "AZURE_API_BASE"),
    "custom_openai": Vendor("openai", "OPENAI_API_KEY"),
    "deepseek": Vendor("deepseek", "DEEPSEEK_API_KEY"),
    "fireworks_ai": Vendor("fireworks", "FIREWORKS_AI_API_KEY"),
    "gemini": Vendor("google", "GEMINI_API_KEY"),
    "groq": Vendor("groq", "GROQ_API_KEY"),
    "hosted_vllm": Vendor("vllm", base="HOSTED_VLLM_API_BASE"),
    "litellm_proxy": Vendor("openai", "LITELLM_PROXY_API_KEY", "LITELLM_PROXY_API_BASE"),
    "lm_studio": Vendor("openai", base="LM_STUDIO_API_BASE"),
    "mistral": Vendor("mistral", "MISTRAL_API_KEY"),
    "moonshot": Vendor("moonshot", "MOONSHOT_API_KEY"),
    "ollama": Vendor("ollama"),
    "ollama_chat": Vendor("ollama"),
    "openai": Vendor("openai", "OPENAI_API_KEY"),
    "openai_like": Vendor("openai", "OPENAI_LIKE_API_KEY", "OPENAI_LIKE_API_BASE"),
    "openrouter": Vendor("openrouter", "OPENROUTER_API_KEY"),
    "together_ai": Vendor("together", "TOGETHERAI_API_KEY"),
    "vllm": Vendor("vllm"),
    "xai": Vendor("xai", "XAI_API_KEY"),
}
"""By LiteLLM's prefix of a model."""

VARIABLES = frozenset(
    {variable for vendor in VENDORS.values() for variable in (vendor.key, vendor.base) if variable}
)

_HOSTS = {
    "api.deepseek.com": "deepseek",
    "api.groq.com": "groq",
    "api.mistral.ai": "mistral",
    "api.together.xyz": "together_ai",
    "api.x.ai": "xai",
}
"""Vendors that LiteLLM knows by their address."""

_BEGINNINGS = {
    "chatgpt-": "openai",
    "claude-": "anthropic",
    "codex-": "openai",
    "command-": "cohere",
    "dall-e-": "openai",
    "embed-": "cohere",
    "ft:gpt-": "openai",
    "gemini-": "gemini",
    "gpt-": "openai",
    "o1": "openai",
    "o3": "openai",
    "o4": "openai",
    "text-embedding-": "openai",
    "tts-": "openai",
    "whisper-": "openai",
}
"""LiteLLM has a list of all models instead; these begin as their families do."""

_ENDPOINTS = {
    "audio_speech": "audio.speech",
    "audio_transcription": "audio.transcriptions",
    "chat": "chat.completions",
    "completion": "completions",
    "embedding": "embeddings",
    "image_generation": "images.generations",
    "moderation": "moderations",
    "responses": "responses",
}
"""What we call the endpoint of a `mode`: https://docs.litellm.ai/docs/proxy/health."""

_MODES = {
    "dall-e": "image_generation",
    "gpt-image": "image_generation",
    "transcribe": "audio_transcription",
    "tts": "audio_speech",
    "whisper": "audio_transcription",
}
"""By a part of the model's name: LiteLLM's list of all models has the mode of each."""


class Served(NamedTuple):
    """A model as it is served.

    Attributes:
        vendor: LiteLLM's name of the vendor, which need not be one that we have.
        model: the vendor's own name of it.
        guess: the note for the operator if the vendor had to be guessed.
    """

    vendor: str
    model: str
    guess: str = ""


def served(model: str, custom: str | None, host: str | None) -> Served | None:
    """Which vendor serves a model; None if it cannot be determined.

    Args:
        model: as in `litellm_params.model`.
        custom: `litellm_params.custom_llm_provider`.
        host: of `litellm_params.api_base`; None if there is no such setting.
    """
    if custom:
        return Served(custom, model.removeprefix(f"{custom}/"))
    vendor, slash, rest = model.partition("/")
    if slash:
        return Served(vendor, rest)
    if model == "*":
        return Served(
            "openai",
            model,
            "LiteLLM takes the vendor from the name that a client asks for; here all of them go to "
            'OpenAI, so add routes such as "claude-*" for the others',
        )
    if host in _HOSTS:
        return Served(_HOSTS[host], model, f"names no vendor; taken for {_HOSTS[host]}'s")
    for beginning, vendor in _BEGINNINGS.items():
        if model.startswith(beginning):
            also = ", though LiteLLM asks Vertex AI for it" if vendor == "gemini" else ""
            return Served(vendor, model, f"names no vendor; taken for {vendor}'s{also}")
    if host is not None:
        return Served("openai", model, "names no vendor; its server is taken to speak OpenAI's API")
    return None


def endpoint(model: str, mode: str | None) -> str:
    """The endpoint that a model is for, or its `mode` where we have no name for that.

    Args:
        model: the vendor's name of it.
        mode: `model_info.mode`; None to go by the name.
    """
    if mode is None:
        parts = (found for part, found in _MODES.items() if part in model)
        mode = next(parts, "chat")
    return _ENDPOINTS.get(mode, mode)
