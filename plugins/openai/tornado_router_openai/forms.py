"""Forms on their way to the vendor: part by part as the client sent them, but for the model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tornado_router.provider import Call, Part, Parts, UpstreamRequest

if TYPE_CHECKING:
    from tornado_router_openai.provider import OpenAIProvider


def form_request(provider: OpenAIProvider, path: str, call: Call) -> UpstreamRequest:
    """The client's form in its order, with the vendor's own name of the model.

    Names, names of files, content types and bytes stay as they are. It is read from where the files
    lie each time it is sent.

    Args:
        provider: whose base URL and headers are used.
        path: of the endpoint, behind the base URL.
        call: with the form.
    """
    model = Part("model", call.model)
    parts, has_model = [], False
    for part in call.parts:
        if part.name == "model":
            has_model = True
            parts.append(model)
        elif part.name in provider.unknown_hints:
            call.dropped.append(part.name)
        else:
            parts.append(part)
    if not has_model:
        parts.append(model)
    return UpstreamRequest(provider.base_url + path, Parts(tuple(parts)), provider.form_headers)
