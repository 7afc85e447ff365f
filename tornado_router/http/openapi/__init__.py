"""Describes the server's HTTP API: an OpenAPI 3.1 document, and a page for people."""

from tornado_router.http.openapi.document import document
from tornado_router.http.openapi.page import EXAMPLE_ORIGIN, page

__all__ = ["EXAMPLE_ORIGIN", "document", "page"]
