"""`/openapi.json` and `/docs`: the HTTP API, for programs and for people."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from typing import cast

from tornado_router.error_codes import Invalid
from tornado_router.http.connection import ClientGoneError
from tornado_router.http.handlers.base import JSON, BaseHandler
from tornado_router.http.services import Services
from tornado_router.validation import Profile

_HOST = re.compile(r"[A-Za-z0-9.\-]+(?::[0-9]{1,5})?|\[[0-9A-Fa-f:]+\](?::[0-9]{1,5})?")

Describe = Callable[[Profile], bytes]


ORIGINS = 16
"""Pages are made for so many addresses of the router; clients can make up any number of them."""


class OriginPages:
    """Descriptions with the address at which the router was asked, which clients hold together.

    Args:
        example_origin: what stands in a description where the address belongs. It stays there in
            what is asked for at an address beyond the first `ORIGINS`.
    """

    def __init__(self, example_origin: str) -> None:
        self.example_origin = example_origin
        self._made: dict[tuple[bytes, str], bytes] = {}

    def at(self, content: bytes, origin: str) -> bytes:
        """A description as it is shown at an address."""
        page = self._made.get((content, origin))
        if page is None:
            if len(self._made) >= ORIGINS:
                return content
            page = content.replace(self.example_origin.encode(), origin.encode())
            self._made[content, origin] = page
        return page


class DocumentHandler(BaseHandler):
    """A description of the API, open to all: it holds nothing that the source does not."""

    open = True

    def initialize(  # type: ignore[override]
        self, services: Services, describe: Describe, pages: OriginPages
    ) -> None:
        """Takes what makes the description for a profile of validation.

        Args:
            services: of the process.
            describe: makes it.
            pages: puts the address of the router in it.
        """
        super().initialize(services)
        self._describe = describe
        self._pages = pages

    async def prepare(self) -> None:
        """Refuses the request if the API is not described.

        Raises:
            ApiError: 404.
        """
        await super().prepare()
        if not self.services.serving.config.server.docs:
            raise Invalid.docs_are_off()

    async def write_description(self, content_type: str) -> None:
        """Sends it, or 304 to a client that has it already: RFC 9110 section 13.1.2.

        Tornado would copy the page to its headers. Behind them, clients that do not read it hold
        one copy together.
        """
        content = self._describe(cast(Profile, self.services.serving.config.validation.profile))
        origin = self._origin()
        self.set_header("Content-Type", content_type)
        self.set_header("Cache-Control", "no-cache")
        self.set_header("Etag", f'"{_digest(content)}{origin.encode().hex()}"')
        if self.check_etag_header():
            self.set_status(304)
        else:
            page = self._pages.at(content, origin)
            self.set_header("Content-Length", len(page))
            with suppress(ClientGoneError):
                await self.flush()
                self.finish(page)

    def _origin(self) -> str:
        """The address that the router was asked at, for examples.

        What a proxy says of TLS is taken as it is: no other client gets to see it.
        """
        host = self.request.host
        if not _HOST.fullmatch(host):
            return self._pages.example_origin
        forwarded = self.request.headers.get("X-Forwarded-Proto") == "https"
        return f"{'https' if self.connection.secure or forwarded else 'http'}://{host}"


@lru_cache(maxsize=16)
def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:32]


class OpenApiHandler(DocumentHandler):
    """`/openapi.json`."""

    async def get(self) -> None:
        """Describes the API as an OpenAPI document."""
        await self.write_description(JSON)

    head = get


class DocsHandler(DocumentHandler):
    """`/docs`."""

    async def get(self) -> None:
        """Describes it as a page, which loads and runs nothing."""
        self.set_header(
            "Content-Security-Policy",
            "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; "
            "frame-ancestors 'none'",
        )
        self.set_header("Referrer-Policy", "no-referrer")
        await self.write_description("text/html; charset=utf-8")

    head = get
