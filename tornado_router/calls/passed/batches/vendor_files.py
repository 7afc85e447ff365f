"""What the router asks a vendor of files and batches by itself."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from typing import Any
from urllib.parse import quote

from tornado_router.calls.passed.vendor import Source
from tornado_router.error_codes import Failure
from tornado_router.provider import PassThrough, load_json

PATH = "/v1/batches"

ACCEPT = {"accept": "application/json"}


async def content(vendor: Source, file: str) -> AsyncGenerator[bytes, None]:
    """The bytes of a file as they come.

    Raises:
        ApiError: the vendor refused it, or failed.
    """
    path = f"/v1/files/{quote(file, safe='')}/content"
    async with vendor.opened(PassThrough("GET", path)) as response:
        async for piece in vendor.pieces(response):
            yield piece


async def batch(vendor: Source, batch_id: str) -> Mapping[str, Any]:
    """A batch as the vendor has it. Raises as `sent`."""
    return await sent(vendor, PassThrough("GET", f"{PATH}/{quote(batch_id, safe='')}", "", ACCEPT))


async def batches(vendor: Source, after: str) -> Mapping[str, Any]:
    """A page of all batches, the newest first. Raises as `sent`."""
    query = "limit=100" + (f"&after={quote(after, safe='')}" if after else "")
    return await sent(vendor, PassThrough("GET", PATH, query, ACCEPT))


async def delete(vendor: Source, file: str) -> None:
    """Deletes a file. Raises as `sent`."""
    path = f"/v1/files/{quote(file, safe='')}"
    await sent(vendor, PassThrough("DELETE", path, "", ACCEPT))


async def sent(vendor: Source, request: PassThrough) -> Mapping[str, Any]:
    """The JSON object in the response to a request.

    Raises:
        ApiError: the vendor refused it, or failed.
    """
    async with vendor.opened(request) as response:
        return object_in(await vendor.read(response), vendor.name)


def object_in(raw: bytes, provider: str) -> Mapping[str, Any]:
    """The JSON object in a response.

    Raises:
        ProviderError: 502, there is none.
    """
    try:
        body = load_json(raw)
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise Failure.bad_provider_answer(f"The provider '{provider}' sent no JSON object.")
    return body
