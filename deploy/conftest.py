"""What the tests of the deployment stand on: a router, as in tests/."""

from tests.conftest import database_server, http_front, router_project

__all__ = ["database_server", "http_front", "router_project"]
