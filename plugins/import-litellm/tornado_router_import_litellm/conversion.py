"""A router.toml for a LiteLLM proxy: https://docs.litellm.ai/docs/proxy/configs.

Every setting is read by the module for its kind, or listed with what can be done about it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from tornado_router.config.declaration import table_schema
from tornado_router.config.options import RoutingOptions
from tornado_router.endpoints import ENDPOINTS
from tornado_router.errors import Fault
from tornado_router_import_litellm.prices import NAMES, Prices
from tornado_router_import_litellm.providers import Providers, base_setting, seconds, split
from tornado_router_import_litellm.references import References
from tornado_router_import_litellm.routes import NO_LIMIT, Routes
from tornado_router_import_litellm.settings import Settings
from tornado_router_import_litellm.vendors import VARIABLES, VENDORS, Served, endpoint, served

ENVIRONMENT = "os.environ/"

PORT = 4000
"""That LiteLLM listens on unless its command line says another."""

_RESPONSE_CACHE = "a route caches responses if it has `cache_seconds`: docs/cache.md"

HINTS = {
    "general_settings.master_key": "keys are made here: `tornado-router keys create`",
    "general_settings.database_url": "LiteLLM's tables are of no use here; for PostgreSQL, give an "
    "empty database as `url` in [database]",
    **dict.fromkeys(
        (
            "litellm_settings.callbacks",
            "litellm_settings.success_callback",
            "litellm_settings.failure_callback",
        ),
        "for `prometheus`, set `token` in [metrics]: docs/metrics.md; for Sentry, install "
        "tornado-llm-router-sentry; for `otel`, set `endpoint` in [otel]; anything else is a "
        "plugin with the hook `request_finished`",
    ),
    "litellm_settings.cache": _RESPONSE_CACHE,
    "litellm_settings.cache_params": _RESPONSE_CACHE,
    "router_settings.cache_responses": _RESPONSE_CACHE,
    "router_settings.redis_url": "give `host`, `port` and `password` in [redis]",
    "environment_variables": "put them into the environment, or into a `.env` beside router.toml",
    "include": "these files are read by LiteLLM, too, but not here: put them into one",
    "api_version": "Azure's v1 API needs none",
    "azure_ad_token": "tokens of Entra ID are not used: give the provider an `api_key`",
    "max_tokens": "clients set it; where they do not, Claude has that of `max_tokens` in the "
    "provider's table, and other vendors their own",
    "rpm": NO_LIMIT,
    "tpm": NO_LIMIT,
    "stream_timeout": "in LiteLLM it is for streams alone; `first_byte_timeout` of the provider "
    "would cut off all other calls, too",
    "context_window_fallbacks": "give targets their `context_window` in [targets]: those that are "
    "too small are then left out",
    **dict.fromkeys(NAMES, "is not a price: left out"),
}
"""What to do about settings that have no equivalent, by their path or their name."""

_ROUTING = table_schema(RoutingOptions)["properties"]


class Imported(NamedTuple):
    """What became of a configuration.

    Attributes:
        tables: of the router.toml, as TOML has them.
        notes: what has no equivalent, or has to be checked by the operator.
    """

    tables: dict[str, Any]
    notes: list[Fault]


def convert(config: Mapping[str, Any]) -> Imported:
    """Makes the tables of a router.toml.

    No secret is copied: what is not a reference to the environment becomes one.

    Args:
        config: what the YAML file holds.
    """
    return _Conversion(config).run()


class _Conversion:
    def __init__(self, config: Mapping[str, Any]) -> None:
        self._notes: list[Fault] = []
        self._config = Settings(config, "")
        self._general = self._table("general_settings")
        self._settings = self._table("litellm_settings")
        self._router = self._table("router_settings")
        self._references = References(config, ENVIRONMENT, _reserved(config), self._note)
        self._providers = Providers(self._references, self._note)
        self._prices = Prices(self._note)
        self._routes = Routes(self._note)
        self._targets: dict[str, dict[str, Any]] = {}
        self._credentials: dict[str, Mapping[str, Any]] = {}

    def run(self) -> Imported:
        self._read_credentials()
        for index, item in enumerate(self._config.take("model_list", list) or []):
            self._deployment(Settings(item, f"model_list[{index}]"))
        self._routes.read_aliases(self._router)
        for settings in (self._settings, self._router):
            self._routes.read_fallbacks(settings)
        strategy = self._router.take("routing_strategy", str) or "simple-shuffle"
        drops = bool(self._settings.take("drop_params", bool))
        redis = self._redis()
        tables = {
            "server": {"port": PORT},
            "auth": {"jwt_secret": "${JWT_SECRET}"} if redis else {},
            "routing": self._routing(),
            "redis": redis,
            "providers": self._providers.finish(drops, self._timeout()),
            "routes": self._routes.tables(strategy),
            "targets": self._targets,
            "prices": self._prices.tables,
        }
        for settings in (self._config, self._general, self._settings, self._router):
            self._list_left(settings)
        return Imported({name: table for name, table in tables.items() if table}, self._notes)

    def _table(self, name: str) -> Settings:
        table = self._config.take(name, dict)
        return Settings(table, name)

    def _read_credentials(self) -> None:
        for index, item in enumerate(self._config.take("credential_list", list) or []):
            entry = Settings(item, f"credential_list[{index}]")
            name = entry.take("credential_name", str)
            values = entry.take("credential_values", dict)
            if name and values is not None:
                self._credentials[name] = values
            else:
                self._note(entry.where, "has no `credential_name` or no `credential_values`")
            self._list_left(entry)

    def _deployment(self, entry: Settings) -> None:
        name = entry.take("model_name", str)
        params = self._params(entry)
        info = Settings(entry.take("model_info", dict), f"{entry.where}.model_info")
        model = params.take("model", str)
        if not name or not model:
            self._note(entry.where, "has no `model_name` or no `litellm_params.model`: left out")
            return
        base = params.get(base_setting(params))
        parts = split(base) if isinstance(base, str) else None
        host = (parts.hostname if parts else None) or ("" if base else None)
        by = served(model, params.take("custom_llm_provider", str), host)
        mode = info.take("mode", str)
        wrong = _why_not(name, by, mode)
        if by is None or wrong:
            self._note(entry.where, f"{wrong}: left out")
            return
        if by.guess:
            self._note(params.path("model"), by.guess)
        owner = name if any(map(str.isalnum, name)) else by.vendor
        target = f"{self._providers.add(VENDORS[by.vendor], by.model, params, owner)}/{by.model}"
        self._routes.add(name, target, params, entry.where)
        self._prices.add(target, params, info, embeds=mode == "embedding")
        base_model = info.take("base_model", str) or params.take("base_model", str)
        if base_model:
            self._prices.add_as(target, base_model, VENDORS[by.vendor].type)
        self._capabilities(target, info)
        for settings in (params, info, entry):
            self._list_left(settings)

    def _params(self, entry: Settings) -> Settings:
        """The parameters of a deployment, with those of the credential that it names."""
        table = entry.take("litellm_params", dict) or {}
        where = f"{entry.where}.litellm_params"
        name = table.get("litellm_credential_name")
        if isinstance(name, str) and name in self._credentials:
            table = {**self._credentials[name], **table}
            del table["litellm_credential_name"]
        elif name is not None:
            self._note(f"{where}.litellm_credential_name", "is not in credential_list: left out")
            table = {key: value for key, value in table.items() if key != "litellm_credential_name"}
        return Settings(table, where)

    def _capabilities(self, target: str, info: Settings) -> None:
        table: dict[str, Any] = {}
        where = info.path("max_input_tokens")
        window = info.number("max_input_tokens", 1)
        if window:
            table["context_window"] = int(window)
        lacks = [
            ours
            for theirs, ours in (
                ("supports_vision", "images"),
                ("supports_function_calling", "tools"),
                ("supports_response_schema", "structured_outputs"),
            )
            if info.take(theirs, bool) is False
        ]
        if lacks:
            table["lacks"] = lacks
        if table and self._targets.setdefault(target, table) != table:
            self._note(where, f"another deployment has other values for '{target}', which apply")

    def _routing(self) -> dict[str, Any]:
        options: dict[str, Any] = {}
        for ours, theirs in (
            ("retries", "num_retries"),
            ("breaker_failures", "allowed_fails"),
            ("breaker_seconds", "cooldown_time"),
        ):
            for settings in (self._router, self._settings):
                value = settings.number(theirs, 0)
                if value is None:
                    continue
                if ours == "breaker_failures":
                    value += 1  # LiteLLM allows so many; one more takes a target out
                if ours in options:
                    self._note(settings.path(theirs), f"router_settings.{theirs} takes precedence")
                else:
                    options[ours] = self._bounded(ours, value, settings.path(theirs))
        return options

    def _bounded(self, option: str, value: float, where: str) -> float:
        """The value that is allowed here and nearest to what LiteLLM has."""
        schema = _ROUTING[option]
        bounded = min(max(value, schema.get("minimum", 0.001)), schema["maximum"])
        if bounded != value:
            self._note(where, f"would be {option} = {value:g}; the nearest possible is {bounded:g}")
        return int(bounded) if schema["type"] == "integer" else bounded

    def _timeout(self) -> float | str | None:
        """The time limit of deployments that have none of their own."""
        own = seconds(self._router, "timeout", self._references)
        other = seconds(self._settings, "request_timeout", self._references)
        if own is not None and other is not None:
            why = "router_settings.timeout takes precedence"
            self._note(self._settings.path("request_timeout"), why)
        return other if own is None else own

    def _redis(self) -> dict[str, Any]:
        host = self._router.take("redis_host", str)
        if not host:
            return {}
        where = self._router.path
        options: dict[str, Any] = {
            "host": self._references.value(host, where("redis_host")),
        }
        port = self._router.get("redis_port")
        number = self._router.number("redis_port", 1)
        if number is not None:
            options["port"] = int(number)
        elif isinstance(port, str) and port.startswith(ENVIRONMENT):
            self._router.take("redis_port", str)
            options["port"] = self._references.value(port, where("redis_port"))
        password = self._router.take("redis_password", str)
        if password:
            options["password"] = self._references.secret(
                password, "REDIS_PASSWORD", where("redis_password")
            )
        self._note(
            where("redis_host"),
            "routers that share a Redis sign sessions with one secret: set the variable JWT_SECRET "
            "(`openssl rand -hex 32`)",
        )
        return options

    def _list_left(self, settings: Settings) -> None:
        """Notes the settings that were not read."""
        for where in settings.wrong:
            self._note(where, "is not a table: left out")
        for where in settings.left():
            name = where.rpartition(".")[2]
            self._note(where, HINTS.get(where) or HINTS.get(name) or "has no equivalent: left out")

    def _note(self, where: str, message: str) -> None:
        self._notes.append(Fault(where, message))


def _reserved(config: Mapping[str, Any]) -> set[str]:
    """Variables that are taken: those of vendors, of the router, and those that the file sets."""
    variables = config.get("environment_variables")
    set_there = map(str, variables) if isinstance(variables, Mapping) else ()
    return {*VARIABLES, "GOOGLE_API_KEY", "JWT_SECRET", *set_there}


def _why_not(name: str, by: Served | None, mode: str | None) -> str | None:
    """Why a deployment cannot be served here, or None if it can."""
    if by is None:
        return "its `model` names no vendor, nor does another setting; LiteLLM wants `vendor/model`"
    if by.vendor in ("vertex_ai", "vertex_ai_beta"):
        return (
            f"'{by.vendor}' is served by a provider of `type = \"google\"` with the `base_url` of "
            "the project: docs/providers.md, Vertex AI; add it by hand"
        )
    if by.vendor not in VENDORS:
        return (
            f"no provider type serves '{by.vendor}'; if it speaks OpenAI's API, add a provider of "
            '`type = "openai"` with its `base_url`; for anything else install a plugin, or write '
            "one: docs/writing-a-provider.md"
        )
    if not by.model:
        return "its `model` names a vendor, but no model"
    if endpoint(by.model, mode) not in ENDPOINTS:
        return f"'{name}' is for an endpoint that is not served, {endpoint(by.model, mode)}"
    if max(name.count("*"), by.model.count("*")) > 1:
        return "a name may hold one `*`"
    if "*" in by.model and "*" not in name:
        return "a `*` in `model` needs one in `model_name` to stand for"
    return None
