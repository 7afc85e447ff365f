"""Describes the server's HTTP API: an OpenAPI 3.1 document, and a page for people."""

from tornado_router.http.openapi.document import document
from tornado_router.http.openapi.example_models import example_models
from tornado_router.http.openapi.page import EXAMPLE_ORIGIN, page
from tornado_router.http.openapi.page_parts import POLICY

__all__ = ["EXAMPLE_ORIGIN", "POLICY", "document", "example_models", "page"]
