"""`/openapi.json` and `/docs`: the HTTP API, for programs and for people, who are led there."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import cast

from tornado_router.error_codes import Invalid
from tornado_router.http.descriptions import Describe
from tornado_router.http.handlers.base import JSON, BaseHandler
from tornado_router.http.services import Services
from tornado_router.validation import Profile

PIECE = 64 * 1024
"""So much is written at once: a client that does not read holds no more of it, also where each has
a copy of its own, as with TLS."""


class DocumentHandler(BaseHandler):
    """A description of the API, open to all.

    It holds nothing that the source does not, but for a model that is served, for its examples, and
    what is passed on.
    """

    open = True

    def initialize(  # type: ignore[override]
        self, services: Services, describe: Describe
    ) -> None:
        """Takes what makes the description."""
        super().initialize(services)
        self._describe = describe

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

        Tornado would copy the page to its headers, or to the address. Beside them, clients that do
        not read it hold one copy together.
        """
        serving = self.services.serving
        profile = cast(Profile, serving.config.validation.profile)
        content, example_origin, policy = await self.services.descriptions.get(
            self._describe, profile, serving.router, serving.passed.rules
        )
        origin = self.origin or example_origin
        if policy:
            self.set_header("Content-Security-Policy", policy)
        self.set_header("Content-Type", content_type)
        self.set_header("Cache-Control", "no-cache")
        self.set_header("Etag", f'"{_digest(content)}{origin.encode().hex()}"')
        if self.check_etag_header():
            self.set_status(304)
        else:
            parts = _at(content, example_origin, origin)
            self.set_header("Content-Length", sum(map(len, parts)))
            for part in parts:
                await self.flush()
                self.write(part)
            self.finish()


def _at(content: bytes, example_origin: str, origin: str) -> list[bytes]:
    """The parts of a description as it is shown at an address; the long ones are made once."""
    head, *tails = _split(content, example_origin)
    parts = [*head]
    for tail in tails:
        parts += [origin.encode(), *tail]
    return parts


@lru_cache(maxsize=4)
def _split(content: bytes, example_origin: str) -> list[list[bytes]]:
    """The pieces of what stands between the addresses."""
    return [
        [between[start : start + PIECE] for start in range(0, len(between), PIECE)]
        for between in content.split(example_origin.encode())
    ]


@lru_cache(maxsize=4)
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
        """Describes it as a page, which loads nothing and runs its own script alone."""
        self.set_header("Referrer-Policy", "no-referrer")
        await self.write_description("text/html; charset=utf-8")

    head = get


class RootHandler(BaseHandler):
    """`/`, where people come who have been given the router's address."""

    open = True

    async def get(self) -> None:
        """Leads them to the page; by a relative address, as a proxy may have put a path before it.

        Raises:
            ApiError: 404, the API is not described.
        """
        if not self.services.serving.config.server.docs:
            raise Invalid.docs_are_off()
        self.redirect("docs")

    async def head(self) -> None:
        """Answers plainly: by it, Claude Code looks whether a server is there."""
        self.finish()
