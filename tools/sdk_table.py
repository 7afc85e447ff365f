"""Makes docs/sdk-methods.md: what becomes of each method of OpenAI's official SDKs at the router.

python -m tools.sdk_table           writes the page
python -m tools.sdk_table --check   fails if the page is not what it would write
"""

from __future__ import annotations

import re
from importlib import metadata
from itertools import groupby
from typing import NamedTuple

from tornado.web import RequestHandler

from tools.node_methods import node_methods, node_version
from tools.pages import write_or_check
from tools.sdk_methods import SdkMethod, sdk_methods
from tornado_router.calls.passed.rules import Rules
from tornado_router.config.options import PassthroughOptions
from tornado_router.endpoints import ENDPOINTS
from tornado_router.endpoints.passed_paths import NEVER
from tornado_router.http.urls import ROUTES

ANY, OWN, PASSED, REFUSED = "any provider", "the router", "passed on", "refused"

_PARAMETER = re.compile(r"\{\w+\}")
_REASONS = {
    "webhook_endpoints": "the vendor sends it what happens to all users of the account",
    "models": "models belong to the deployment",
    "realtime/calls": "calls by telephone and WebRTC go past the router",
    "realtime": "sessions begin by a websocket, or with `realtime.client_secrets`",
    "live": "calls by telephone and WebRTC go past the router",
}
"""Why what begins so is refused, where it is not for the usual reason."""

_ADMINISTRATION = "it administers the account, which is the operator's"
_UNKNOWN = "not in the default `paths` of `[passthrough]`"

PAGE = """# Methods of OpenAI's SDKs

What becomes of each method of [`openai`](https://pypi.org/project/openai/) {version} for Python
that sends a request, made from its code and the router's, and beside it what the method is called
in [`openai`](https://www.npmjs.com/package/openai) {node_version} for Node, where that has it.

- **any provider**: one of the [endpoints](endpoints.md), which the router checks, counts and
  translates.
- **the router**: answered from what the router knows.
- **passed on**: to the one provider that `[passthrough]` names, with an owner for each id: see
  [Files, vector stores and all else](passthrough.md). Without it, refused.
- **by websocket**: `realtime.connect` ([realtime](realtime.md)) and `responses.connect`
  ([responses by websocket](endpoints.md#responses-by-websocket)), which are not in the table.
- **refused**: 404 `endpoint_not_served`, or 405 where another method is served.

{table}
"""


class Fate(NamedTuple):
    """What becomes of a method.

    Attributes:
        kind: one of those above.
        detail: the permission that it needs, or why it is refused.
    """

    kind: str
    detail: str = ""


_rules = Rules(PassthroughOptions(provider="openai"))
_models = frozenset(endpoint.path for endpoint in ENDPOINTS.values())


def fate_of(method: SdkMethod) -> Fate:
    """What becomes of a method, by the route table and the paths that are passed on."""
    path = f"/v1{method.path}"
    if path in _models and method.verb == "POST":
        return Fate(ANY)
    if any(_serves(route.handler, method.verb) and _like(route.path, path) for route in ROUTES):
        return Fate(OWN)
    match = _rules.match(_PARAMETER.sub("an-id", path))
    if match is not None and method.verb in match.methods:
        return Fate(PASSED, f"`{match.endpoint}`")
    return Fate(REFUSED, _reason(method))


def page() -> str:
    """The page, as Markdown."""
    groups = groupby(sdk_methods(), key=lambda method: method.path.split("/")[1])
    tables = [_table(name, list(methods)) for name, methods in groups if name != "organization"]
    administered = sum(method.path.startswith("/organization/") for method in sdk_methods())
    last = (
        f"## organization\n\nAll {administered} methods of `client.admin` are refused: "
        f"{_ADMINISTRATION}."
    )
    return PAGE.format(
        version=metadata.version("openai"),
        node_version=node_version(),
        table="\n\n".join([*tables, last]),
    )


def _table(name: str, methods: list[SdkMethod]) -> str:
    rows = [
        f"| `{method.name}` | {_in_node(method)} | `{method.verb} {method.path}` | {fate.kind} "
        f"| {fate.detail} |"
        for method in methods
        for fate in [fate_of(method)]
    ]
    head = "| Python | Node | request | | permission, or reason |\n|---|---|---|---|---|"
    return "\n".join([f"## {name}\n", head, *rows])


def _in_node(method: SdkMethod) -> str:
    """Its name in the SDK for Node, with the request where that is another one."""
    its = node_methods().get(method.name)
    if its is None:
        return ""
    if its.sends_like(method.verb, method.path):
        return f"`{its.name}`"
    return f"`{its.name}`: `{its.verb} {its.path}`"


def _serves(handler: type, verb: str) -> bool:
    """Whether a handler has a method of its own: Tornado's answer 405."""
    name = verb.lower()
    return getattr(handler, name) is not getattr(RequestHandler, name)


def _like(route: str, path: str) -> bool:
    return _PARAMETER.sub("{}", route) == _PARAMETER.sub("{}", path)


def _reason(method: SdkMethod) -> str:
    words = method.path[1:].split("/")
    if NEVER & set(words):
        return _ADMINISTRATION
    for name, text in _REASONS.items():
        if f"{method.path}/".startswith(f"/{name}/"):
            return text
    return _UNKNOWN


if __name__ == "__main__":
    write_or_check("sdk-methods.md", page(), "tools.sdk_table")
