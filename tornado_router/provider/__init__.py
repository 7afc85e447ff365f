"""The public plugin API: what a provider is, and the values that pass between it and the core.

A provider maps data and owns no socket. The core owns connections, time-outs, retries,
cancellation, back-pressure and framing; a plugin defines how a request is built and how a response
is read. Everything here is for third parties to import, and nothing else is needed to write a
provider. A change that would break one raises `PLUGIN_API_VERSION`.

| module | holds |
|---|---|
| `base` | `Provider`: one table of router.toml |
| `translator` | `Translator`: one endpoint of a provider |
| `call` | `Call`: what a client asked for, and `Params`, which reads it |
| `header_values` | keys and headers as operators write them |
| `http` | requests, responses and connections to the vendor |
| `bodies` | responses on their way to the client: `Body` |
| `pass_through` | requests for the vendor's own API that go there as they are |
| `passing` | events of a stream that go on unread |
| `chunk_reader` | the chunks in the bytes of a stream |
| `error_reader`, `error_statuses` | what a vendor says of a failure, in whatever shape |
| `files`, `multipart` | uploaded files, and forms that pass them on |
| `media` | the kind of a picture by its first bytes |
| `tool_names` | names that the vendor refuses, there and back |
| `credentials` | keys that expire and requests that are signed |
"""

from __future__ import annotations

import pluggy

from tornado_router.errors import ApiError, ProviderError, bad_answer
from tornado_router.framing import (
    AWSEvent,
    AWSEventStream,
    Framing,
    FramingError,
    JSONLines,
    RawBytes,
    ServerSentEvents,
)
from tornado_router.provider.base import OptionError, Provider
from tornado_router.provider.bodies import (
    Binary,
    Body,
    Relayed,
    dump_json,
    load_arguments,
    load_json,
    load_json_object,
    replace_fields,
    write_json,
)
from tornado_router.provider.call import (
    ROUTER_SIGNATURE,
    Call,
    Params,
    Unsupported,
    UnsupportedKind,
    asks_for_nothing,
    output_bounds,
)
from tornado_router.provider.credentials import Credentials, Token, TokenCredentials
from tornado_router.provider.error_reader import is_error, reported_error, vendor_error
from tornado_router.provider.files import CallFile
from tornado_router.provider.header_values import header_value, header_values
from tornado_router.provider.http import (
    HTTPClient,
    Upload,
    UpstreamRequest,
    UpstreamResponse,
    UpstreamSocket,
    UpstreamStream,
)
from tornado_router.provider.media import sniffed_type
from tornado_router.provider.multipart import Part, Parts
from tornado_router.provider.pass_through import PassThrough
from tornado_router.provider.passing import Passed, Passing, Said
from tornado_router.provider.tool_names import SafeNames, rename_tools, tool_names
from tornado_router.provider.translator import StreamParser, Translator
from tornado_router.sse import Event

PLUGIN_API_VERSION = 1
"""A plugin module states the version it was written for as `TORNADO_ROUTER_API = 1`."""

hookimpl = pluggy.HookimplMarker("tornado_router")
"""Marks a function of a plugin as the implementation of one of `tornado_router.hookspecs`."""

__all__ = [
    "PLUGIN_API_VERSION",
    "ROUTER_SIGNATURE",
    "AWSEvent",
    "AWSEventStream",
    "ApiError",
    "Binary",
    "Body",
    "Call",
    "CallFile",
    "Credentials",
    "Event",
    "Framing",
    "FramingError",
    "HTTPClient",
    "JSONLines",
    "OptionError",
    "Params",
    "Part",
    "Parts",
    "PassThrough",
    "Passed",
    "Passing",
    "Provider",
    "ProviderError",
    "RawBytes",
    "Relayed",
    "SafeNames",
    "Said",
    "ServerSentEvents",
    "StreamParser",
    "Token",
    "TokenCredentials",
    "Translator",
    "Unsupported",
    "UnsupportedKind",
    "Upload",
    "UpstreamRequest",
    "UpstreamResponse",
    "UpstreamSocket",
    "UpstreamStream",
    "asks_for_nothing",
    "bad_answer",
    "dump_json",
    "header_value",
    "header_values",
    "hookimpl",
    "is_error",
    "load_arguments",
    "load_json",
    "load_json_object",
    "output_bounds",
    "rename_tools",
    "replace_fields",
    "reported_error",
    "sniffed_type",
    "tool_names",
    "vendor_error",
    "write_json",
]
