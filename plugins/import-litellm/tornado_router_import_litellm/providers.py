"""The `[providers.NAME]` tables for the deployments of a LiteLLM proxy.

A key never goes to a server that it was not meant for: no key is put beside another address than
the one it stood beside, and none that is spelled out becomes a vendor's own variable.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import SplitResult, urlsplit

from tornado_router_import_litellm.references import Note, References, plain
from tornado_router_import_litellm.settings import Settings
from tornado_router_import_litellm.vendors import Vendor

NO_KEY = frozenset(
    {"", "-", "dummy", "empty", "fake", "n/a", "na", "no-key", "none", "not-needed", "null", "x"}
)
"""What people write where a server wants no key."""

_SUFFIXES = {"azure": "/openai/v1", "ollama": "/v1"}
"""What LiteLLM puts behind an address, and we expect in it."""

_NO_ORGANIZATION = ("anthropic", "google")

_OPENAI_PATH = re.compile(r"/openai(?=/|$)")


class Providers:
    """The providers, which all deployments share that agree in everything but the model.

    Args:
        references: the variables of the file.
        note: notes for the operator what was guessed or left out.
    """

    def __init__(self, references: References, note: Note) -> None:
        self.tables: dict[str, dict[str, Any]] = {}
        self._references = references
        self._note = note

    def add(self, vendor: Vendor, model: str, params: Settings, owner: str) -> str:
        """The name of the provider of a deployment.

        Args:
            vendor: who serves it.
            model: the vendor's own name of the model.
            params: its `litellm_params`.
            owner: what variables for its secrets are named after.
        """
        options: dict[str, Any] = {"type": vendor.type}
        name = base_setting(params)
        url = params.take(name, str)
        if url:
            options["base_url"] = self._base_url(vendor.type, url, owner, params.path(name))
        elif vendor.base:
            options["base_url"] = f"${{{vendor.base}}}{_SUFFIXES.get(vendor.type, '')}"
            self._note(
                params.where, f"has no api_base: the variable {vendor.base} is used, as by LiteLLM"
            )
        key = self._key(vendor, params, owner, at_base=bool(url))
        if key:
            options["api_key"] = key
        if vendor.type not in _NO_ORGANIZATION:
            organization = params.take("organization", str)
            if organization:
                where = params.path("organization")
                options["organization"] = self._references.value(organization, where)
        headers = self._headers(params, owner)
        if headers:
            options["headers"] = headers
        timeout = seconds(params, "timeout", self._references)
        if timeout is not None:
            options["total_timeout"] = timeout
        return self._shared(options, model)

    def finish(self, drops: bool, timeout: float | str | None) -> dict[str, dict[str, Any]]:
        """The tables, with what holds for all providers.

        Args:
            drops: whether parameters that a vendor does not know are dropped.
            timeout: of providers that have none of their own.
        """
        for table in self.tables.values():
            if "*" in table["models"]:
                del table["models"]  # all of them, which is the default
            if drops:
                table["unsupported"] = "drop"
            if timeout is not None:
                table.setdefault("total_timeout", timeout)
        return self.tables

    def _key(self, vendor: Vendor, params: Settings, owner: str, at_base: bool) -> str | None:
        where = params.path("api_key")
        number = params.take("api_key", int)
        key = params.take("api_key", str) if number is None else str(number)
        if key is not None and key.strip().casefold() in NO_KEY:
            if at_base:
                self._note(where, "is taken for a server that needs no key")
                return None
            key = None
        if key is not None:
            return self._references.secret(key, f"{owner} API_KEY", where)
        if not vendor.key:
            return None
        if at_base and vendor.type != "azure":  # whose servers are all Azure's
            self._note(
                where,
                f"is missing: LiteLLM sends {vendor.key} to this server, the router sends no key; "
                "give the provider an `api_key` if the server is to have it",
            )
            return None
        self._note(where, f"is missing: the variable {vendor.key} is used, as by LiteLLM")
        return f"${{{vendor.key}}}"

    def _headers(self, params: Settings, owner: str) -> dict[str, str]:
        headers = params.take("extra_headers", dict) or {}
        where = params.path("extra_headers")
        return {
            str(name): self._references.secret(
                str(value), f"{owner} {name}", f"{where}.{name}", "may be a secret"
            )
            for name, value in headers.items()
            if value is not None
        }

    def _base_url(self, kind: str, url: str, owner: str, where: str) -> str:
        reference = self._references.reference(url, where)
        suffix = _SUFFIXES.get(kind, "")
        if reference:
            if suffix:
                self._note(
                    where,
                    f"became {reference}{suffix}: the variable must hold the address alone, "
                    "without a slash at its end",
                )
            return reference + suffix
        parts = split(url)
        if parts is None:
            why = "is not an address that starts with http:// or https://"
            return self._references.secret(url, f"{owner} BASE_URL", where, why)
        if parts.query or parts.fragment:
            self._note(where, "has a query, which a base URL cannot have: left out")
        login, at, host = parts.netloc.rpartition("@")
        if at:
            why = "has a user and a password in its address"
            login = self._references.secret(login, f"{owner} LOGIN", where, why)
        return f"{parts.scheme}://{login}{at}{plain(host + self._path(kind, parts, where))}"

    def _path(self, kind: str, parts: SplitResult, where: str) -> str:
        """The path of a base URL: ours ends with the version of the API."""
        path = parts.path.rstrip("/")
        if kind == "azure":
            before, *rest = _OPENAI_PATH.split(path, maxsplit=1)
            if rest and rest[0] not in ("", "/v1"):
                self._note(where, f"ends with /openai{rest[0]}; the v1 API is at /openai/v1")
            return f"{before}/openai/v1"
        if kind == "ollama":
            return f"{path.removesuffix('/v1')}/v1"
        if kind == "anthropic":
            return path.removesuffix("/v1/messages")
        if kind == "google" and not re.search(r"/v1(alpha|beta)?(/|$)", path):
            self._note(where, "has no version; a base URL is what stands before `/models/MODEL`")
        return path

    def _shared(self, options: Mapping[str, Any], model: str) -> str:
        """The name of the provider that has these options, with this model among its own."""
        name = self._named_alike(options) or self._free(str(options["type"]))
        models = self.tables.setdefault(name, {**options, "models": []})["models"]
        if plain(model) not in models:
            models.append(plain(model))
        return name

    def _named_alike(self, options: Mapping[str, Any]) -> str | None:
        for name, table in self.tables.items():
            if {key: value for key, value in table.items() if key != "models"} == options:
                return name
        return None

    def _free(self, kind: str) -> str:
        return next(name for name in _names(kind) if name not in self.tables)


def base_setting(params: Settings) -> str:
    """Which setting of a deployment has its address, if any has."""
    return "api_base" if params.get("api_base") else "base_url"


def split(url: str) -> SplitResult | None:
    """The parts of an address; None if it is none of HTTP."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    return parts if parts.scheme in ("http", "https") and parts.hostname else None


def seconds(settings: Settings, name: str, references: References) -> float | str | None:
    """A time limit, or the reference to one; any other value is left to be listed."""
    number = settings.number(name, 0.001)
    if number is not None:
        return number
    text = settings.get(name)
    reference = references.reference(text, settings.path(name)) if isinstance(text, str) else None
    if reference:
        settings.take(name, str)
    return reference


def _names(kind: str) -> Iterator[str]:
    base = re.sub(r"[^a-z0-9]", "-", kind)
    yield base
    number = 2
    while True:
        yield f"{base}-{number}"
        number += 1
