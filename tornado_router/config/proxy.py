"""Which HTTP proxy a request to a vendor goes through: the provider's, or the environment's.

In the environment, `HTTPS_PROXY` is for `https:` and `wss:`, `HTTP_PROXY` for `http:` and `ws:`;
`NO_PROXY` lists what is reached without one. Lower case wins, as it does for curl. Loopback
addresses are never asked of a proxy of the environment, whose own they would be.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from functools import lru_cache
from urllib.parse import urlsplit

ENVIRONMENT = "environment"
NONE = ("", "none")

CACHED = 1024
"""For so many hosts it is remembered which proxy they have."""

_VARIABLES = {
    "https": "https_proxy",
    "wss": "https_proxy",
    "http": "http_proxy",
    "ws": "http_proxy",
}
_PORTS = {"https": 443, "wss": 443, "http": 80, "ws": 80}


def proxy_fault(option: str, environ: Mapping[str, str]) -> str | None:
    """What is wrong with the option `proxy`, or with the variables that it refers to, if anything.

    The text is not quoted, as there may be a password in it.
    """
    if option in NONE:
        return None
    if option != ENVIRONMENT:
        if _is_usable(option):
            return None
        return "must be a URL such as http://proxy.example.com:3128, 'environment' or 'none'"
    for name in sorted(set(_VARIABLES.values())):
        if not _is_usable(_variable(name, environ)):
            return (
                f"{name.upper()} in the environment must be a URL such as "
                "http://proxy.example.com:3128; 'none' connects without a proxy"
            )
    return None


def proxy_variables(environ: Mapping[str, str]) -> dict[str, str]:
    """The variables of an environment that `Proxies` reads, and no other."""
    names = [*_VARIABLES.values(), "no_proxy"]
    return {name: environ[name] for name in (*names, *map(str.upper, names)) if name in environ}


class Proxies:
    """Finds the proxy of a request.

    Args:
        option: `proxy` of the provider's table, without a fault.
        environ: the environment's variables.
    """

    def __init__(self, option: str, environ: Mapping[str, str]) -> None:
        self._by_scheme: dict[str, str] = {}
        self._without = NoProxy("")
        if option == ENVIRONMENT:
            found = {scheme: _variable(name, environ) for scheme, name in _VARIABLES.items()}
            self._by_scheme = {scheme: proxy for scheme, proxy in found.items() if proxy}
            self._without = NoProxy(_read("no_proxy", environ))
        elif option not in NONE:
            self._by_scheme = dict.fromkeys(_VARIABLES, option)
        self._is_chosen = option != ENVIRONMENT
        self._find = lru_cache(CACHED)(self._look_up)

    def __bool__(self) -> bool:
        """Whether there is one for any request."""
        return bool(self._by_scheme)

    def find(self, url: str) -> str | None:
        """The URL of the proxy for a request, or None.

        Args:
            url: of the request.
        """
        parts = urlsplit(url)
        return self._find(parts.scheme, parts.hostname or "", parts.port)

    def _look_up(self, scheme: str, host: str, port: int | None) -> str | None:
        proxy = self._by_scheme.get(scheme)
        if proxy is None or self._is_chosen:
            return proxy
        return None if self._without.covers(host, port or _PORTS[scheme]) else proxy


class NoProxy:
    """What `NO_PROXY` lists: names with the names below them, addresses, networks, `*`.

    Args:
        text: parts between commas or blanks. A name or an address may end in `:PORT`; a dot or `*.`
            before a name changes nothing.
    """

    def __init__(self, text: str) -> None:
        self._all = False
        self._names: list[tuple[str, int | None]] = []
        self._networks: list[tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, int | None]] = []
        for part in text.lower().replace(",", " ").split():
            self._add(part)

    def covers(self, host: str, port: int) -> bool:
        """Whether a host is reached without a proxy."""
        host = host.lower().rstrip(".")
        address = _address(host)
        if self._all or host == "localhost" or (address and address.is_loopback):
            return True
        if address:
            return any(
                address in network and wanted in (None, port) for network, wanted in self._networks
            )
        return any(
            (host == name or host.endswith(f".{name}")) and wanted in (None, port)
            for name, wanted in self._names
        )

    def _add(self, part: str) -> None:
        if part == "*":
            self._all = True
            return
        for text, port in ((part, None), _split_port(part)):
            try:
                self._networks.append((ipaddress.ip_network(text.strip("[]"), strict=False), port))
            except ValueError:
                continue
            return
        name, port = _split_port(part)
        if name := name.removeprefix("*").strip("."):
            self._names.append((name, port))


def _read(name: str, environ: Mapping[str, str]) -> str:
    return environ.get(name, environ.get(name.upper(), "")).strip()


def _variable(name: str, environ: Mapping[str, str]) -> str:
    """A proxy that the environment names; `proxy:3128` is `http://proxy:3128`, as for curl."""
    text = _read(name, environ)
    return text if "://" in text or not text else f"http://{text}"


def _is_usable(proxy: str) -> bool:
    if not proxy:
        return True
    try:
        parts = urlsplit(proxy)
        has_port = parts.port is None or parts.port > 0
    except ValueError:
        return False
    is_bare = parts.path in ("", "/") and not parts.query and not parts.fragment
    return parts.scheme in ("http", "https") and bool(parts.hostname) and has_port and is_bare


def _split_port(part: str) -> tuple[str, int | None]:
    """`name:8080` in two; a port is a number."""
    name, colon, port = part.rpartition(":")
    return (name, int(port)) if colon and port.isdecimal() else (part, None)


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
