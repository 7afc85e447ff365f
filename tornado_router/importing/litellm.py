"""A router.toml for who has a LiteLLM proxy: https://docs.litellm.ai/docs/proxy/configs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from tornado_router.errors import Fault
from tornado_router.importing.settings import Settings

TYPES = {
    "anthropic": "anthropic",
    "azure": "azure",
    "custom_openai": "openai",
    "deepseek": "deepseek",
    "fireworks_ai": "fireworks",
    "gemini": "google",
    "groq": "groq",
    "hosted_vllm": "vllm",
    "lm_studio": "openai",
    "mistral": "mistral",
    "ollama": "ollama",
    "ollama_chat": "ollama",
    "openai": "openai",
    "openai_like": "openai",
    "openrouter": "openrouter",
    "together_ai": "together",
    "vllm": "vllm",
    "xai": "xai",
}
"""LiteLLM's prefixes of models, and the provider types that serve them."""

STRATEGIES = {
    "simple-shuffle": "weighted",
    "least-busy": "least-busy",
    "latency-based-routing": "fastest",
    "cost-based-routing": "cheapest",
    "usage-based-routing": "least-busy",
    "usage-based-routing-v2": "least-busy",
}

TIMEOUTS = {"timeout": "total_timeout", "stream_timeout": "first_byte_timeout"}

PRICES = {
    "input_cost_per_token": "input",
    "output_cost_per_token": "output",
    "cache_read_input_token_cost": "cached_input",
    "cache_creation_input_token_cost": "cache_write",
}

HINTS = {
    "general_settings.master_key": "keys are made here: `tornado-router keys create`",
    "general_settings.database_url": "LiteLLM's tables are of no use here; for PostgreSQL, give an "
    "empty database as `url` in [database]",
    "litellm_settings.callbacks": "metrics are at /metrics; for Sentry, install "
    "tornado-llm-router-sentry; anything else is a plugin with the hook `request_finished`",
    "litellm_settings.success_callback": "as for `callbacks`",
    "litellm_settings.failure_callback": "as for `callbacks`",
    "litellm_settings.cache": "answers are not cached",
    "litellm_settings.cache_params": "answers are not cached",
    "router_settings.redis_url": "give `host`, `port` and `password` in [redis]",
    "environment_variables": "put them into the environment, or into a `.env` beside router.toml",
    "api_version": "Azure's v1 API needs none",
    "rpm": "limits are of keys, users and plans, not of targets",
    "tpm": "limits are of keys, users and plans, not of targets",
    "context_window_fallbacks": "give targets their `context_window` in [targets]: those that are "
    "too small are then left out",
}
"""What to do about settings that have no equivalent, by their path or their name."""

_LIMITS = {"retries": (0, 10), "breaker_failures": (1, 20), "breaker_seconds": (0.001, 300)}


class Imported(NamedTuple):
    """What became of a configuration.

    Attributes:
        tables: of the router.toml, as TOML has them.
        notes: what has no equivalent, or needs somebody to look at it.
    """

    tables: dict[str, Any]
    notes: list[Fault]


@dataclass
class _Route:
    targets: list[str] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)


def convert(config: Mapping[str, Any]) -> Imported:
    """Makes the tables of a router.toml.

    No secret is copied: what is not a reference to the environment becomes one.

    Args:
        config: what the YAML file holds.
    """
    return _Conversion(config).run()


class _Conversion:
    def __init__(self, config: Mapping[str, Any]) -> None:
        self._config = Settings(config, "")
        self._general = self._table("general_settings")
        self._settings = self._table("litellm_settings")
        self._router = self._table("router_settings")
        self._notes: list[Fault] = []
        self._providers: dict[str, dict[str, Any]] = {}
        self._routes: dict[str, _Route] = {}
        self._prices: dict[str, dict[str, float]] = {}
        self._targets: dict[str, dict[str, Any]] = {}

    def run(self) -> Imported:
        for index, item in enumerate(self._config.take("model_list", list) or []):
            self._deployment(Settings(item, f"model_list[{index}]"))
        self._aliases()
        strategy = self._strategy()
        followers = self._followers()
        tables = {
            "routing": self._routing(),
            "redis": self._redis(),
            "providers": self._finished_providers(),
            "routes": {name: self._route(name, strategy, followers) for name in list(self._routes)},
            "targets": self._targets,
            "prices": self._prices,
        }
        for settings in (self._config, self._general, self._settings, self._router):
            self._tell(settings)
        return Imported({name: table for name, table in tables.items() if table}, self._notes)

    def _table(self, name: str) -> Settings:
        table = self._config.take(name, dict)
        return Settings(table, name)

    def _deployment(self, entry: Settings) -> None:
        name = entry.take("model_name", str)
        params = Settings(entry.take("litellm_params", dict), f"{entry.where}.litellm_params")
        info = Settings(entry.take("model_info", dict), f"{entry.where}.model_info")
        model = params.take("model", str)
        if name is None or model is None:
            self._note(entry.where, "has no `model_name` or no `litellm_params.model`: left out")
            return
        vendor, slash, rest = model.partition("/")
        if not slash:
            vendor, rest = "openai", model
        kind = TYPES.get(vendor)
        if kind is None:
            self._note(
                f"{params.where}.model",
                f"no provider type serves '{vendor}'; install a plugin that does, or write one: "
                "docs/writing-a-provider.md",
            )
            return
        provider = self._provider(kind, params, rest)
        target = f"{provider}/{rest}"
        route = self._routes.setdefault(name, _Route())
        route.targets.append(target)
        route.weights.append(params.take("weight", float) or 1.0)
        self._price(target, params, info)
        self._capabilities(target, info)
        for settings in (params, info, entry):
            self._tell(settings)

    def _provider(self, kind: str, params: Settings, model: str) -> str:
        """The name of the provider table of a deployment, which others may share."""
        options: dict[str, Any] = {"type": kind}
        url = params.take("api_base", str) or params.take("base_url", str)
        if url:
            options["base_url"] = _reference(url) or _base_url(kind, url)
        organization = params.take("organization", str)
        if organization:
            options["organization"] = _reference(organization) or organization
        headers = params.take("extra_headers", dict)
        if headers:
            options["headers"] = {str(name): str(value) for name, value in headers.items()}
        for theirs, ours in (
            ("timeout", "total_timeout"),
            ("stream_timeout", "first_byte_timeout"),
        ):
            seconds = params.take(theirs, float)
            if seconds:
                options[ours] = seconds
        key = params.take("api_key", str)
        if key is not None:
            options["api_key"] = _reference(key) or self._variable(kind, params.where)
        elif kind not in ("ollama", "vllm", "llama.cpp") and "base_url" not in options:
            options["api_key"] = f"${{{_shouted(kind)}_API_KEY}}"
        name = self._named_alike(options) or _free(kind, self._providers)
        models = self._providers.setdefault(name, {**options, "models": []})["models"]
        if model not in models:
            models.append(model)
        return name

    def _named_alike(self, options: Mapping[str, Any]) -> str | None:
        """The provider that has these options, whatever models it offers."""
        for name, table in self._providers.items():
            if {key: value for key, value in table.items() if key != "models"} == options:
                return name
        return None

    def _variable(self, kind: str, where: str) -> str:
        """A reference in place of a secret that stands in the file."""
        taken = {table.get("api_key") for table in self._providers.values()}
        number = 1
        while (name := f"{_shouted(kind)}_API_KEY" + (f"_{number}" if number > 1 else "")) and (
            f"${{{name}}}" in taken
        ):
            number += 1
        self._note(f"{where}.api_key", f"stands in the file; set the variable {name} to it")
        return f"${{{name}}}"

    def _price(self, target: str, params: Settings, info: Settings) -> None:
        for theirs, ours in PRICES.items():
            for settings in (params, info):
                price = settings.take(theirs, float)
                if price is not None:
                    self._prices.setdefault(target, {"input": 0.0})[ours] = round(price * 1e6, 9)

    def _capabilities(self, target: str, info: Settings) -> None:
        window = info.take("max_input_tokens", int)
        if window:
            self._targets.setdefault(target, {})["context_window"] = window
        for theirs, ours in (
            ("supports_vision", "images"),
            ("supports_function_calling", "tools"),
            ("supports_response_schema", "structured_outputs"),
        ):
            if info.take(theirs, bool) is False:
                self._targets.setdefault(target, {}).setdefault("lacks", []).append(ours)
        if info.take("mode", str) not in (None, "chat", "embedding", "completion"):
            self._note(f"{info.where}.mode", "is an endpoint that is not served")

    def _aliases(self) -> None:
        aliases = self._router.take("model_group_alias", dict) or {}
        for alias, name in aliases.items():
            found = self._routes.get(str(name.get("model") if isinstance(name, dict) else name))
            if found:
                self._routes.setdefault(str(alias), found)
            else:
                self._note(f"router_settings.model_group_alias.{alias}", f"'{name}' is no model")

    def _strategy(self) -> str:
        name = self._router.take("routing_strategy", str) or "simple-shuffle"
        if name.startswith("usage-based"):
            self._note("router_settings.routing_strategy", f"'{name}' became `least-busy`")
        if name not in STRATEGIES:
            self._note("router_settings.routing_strategy", f"'{name}' became `weighted`")
        return STRATEGIES.get(name, "weighted")

    def _followers(self) -> dict[str, list[str]]:
        """The models that follow another, by its name; under `*` those that follow all."""
        found: dict[str, list[str]] = {}
        for settings in (self._settings, self._router):
            for table in settings.take("fallbacks", list) or []:
                for name, names in (table if isinstance(table, dict) else {}).items():
                    found.setdefault(str(name), []).extend(map(str, names))
            found.setdefault("*", []).extend(
                map(str, settings.take("default_fallbacks", list) or [])
            )
        for name, names in found.items():
            for other in names:
                if other not in self._routes:
                    self._note(f"fallbacks.{name}", f"'{other}' is no model: left out")
        return found

    def _route(
        self, name: str, strategy: str, followers: Mapping[str, list[str]]
    ) -> dict[str, Any]:
        own = self._routes[name]
        targets = list(own.targets)
        for other in followers.get(name) or followers.get("*", []):
            for target in self._routes[other].targets if other in self._routes else ():
                if target not in targets:
                    targets.append(target)
        route: dict[str, Any] = {"targets": targets}
        if len(own.targets) == 1:
            return route  # in order: itself, and then those that follow
        if len(targets) > len(own.targets) and strategy != "weighted":
            self._note(f"fallbacks.{name}", f"its fallbacks take part in the strategy `{strategy}`")
        route["strategy"] = strategy
        if strategy == "weighted":
            route["weights"] = own.weights + [0.0] * (len(targets) - len(own.targets))
        return route

    def _routing(self) -> dict[str, Any]:
        options: dict[str, Any] = {}
        for ours, theirs in (
            ("retries", "num_retries"),
            ("breaker_failures", "allowed_fails"),
            ("breaker_seconds", "cooldown_time"),
        ):
            for settings in (self._settings, self._router):
                value = settings.take(theirs, float)
                if value is not None:
                    least, most = _LIMITS[ours]
                    options[ours] = min(max(value, least), most)
                    if ours != "breaker_seconds":
                        options[ours] = int(options[ours])
        return options

    def _redis(self) -> dict[str, Any]:
        options: dict[str, Any] = {}
        host = self._router.take("redis_host", str)
        if host:
            options["host"] = _reference(host) or host
        port = self._router.take("redis_port", int) or self._router.take("redis_port", str)
        if port:
            options["port"] = (_reference(port) or port) if isinstance(port, str) else port
        password = self._router.take("redis_password", str)
        if password:
            options["password"] = _reference(password) or "${REDIS_PASSWORD}"
            if not _reference(password):
                self._note(
                    "router_settings.redis_password",
                    "stands in the file; set the variable REDIS_PASSWORD to it",
                )
        return options

    def _finished_providers(self) -> dict[str, dict[str, Any]]:
        drops = self._settings.take("drop_params", bool)
        seconds = self._settings.take("request_timeout", float)
        for table in self._providers.values():
            if "*" in table["models"]:
                del table["models"]  # all of them, which is the default
            if drops:
                table["unsupported"] = "drop"
            if seconds:
                table.setdefault("total_timeout", seconds)
        return self._providers

    def _tell(self, settings: Settings) -> None:
        """Notes whatever nobody asked for."""
        for where in settings.wrong:
            self._note(where, "is no table: left out")
        for where, _ in settings.left():
            name = where.rpartition(".")[2]
            self._note(where, HINTS.get(where) or HINTS.get(name) or "has no equivalent: left out")

    def _note(self, where: str, message: str) -> None:
        self._notes.append(Fault(where, message))


def _reference(text: str) -> str | None:
    """Our reference to what LiteLLM takes from the environment; None for a plain text."""
    name = text.removeprefix("os.environ/")
    return f"${{{name}}}" if name != text else None


def _base_url(kind: str, url: str) -> str:
    """Our base URL ends with the version; LiteLLM adds what some vendors have between."""
    url = url.rstrip("/")
    if kind == "azure" and "/openai" not in url:
        return f"{url}/openai/v1"
    if kind == "ollama" and not url.endswith("/v1"):
        return f"{url}/v1"
    return url


def _shouted(kind: str) -> str:
    return re.sub(r"[^A-Z0-9]", "_", kind.upper())


def _free(kind: str, taken: Mapping[str, Any]) -> str:
    return next(name for name in _names(kind) if name not in taken)


def _names(kind: str) -> Iterator[str]:
    base = re.sub(r"[^a-z0-9]", "-", kind)
    yield base
    number = 2
    while True:
        yield f"{base}-{number}"
        number += 1
