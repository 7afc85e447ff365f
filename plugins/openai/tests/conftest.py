"""A router in front of the vendor that a module imitates, for all tests of that module."""

import pytest

from tornado_router.testing import running_router, running_vendor


@pytest.fixture(scope="module")
def serving(request, tmp_path_factory):
    """By the module's `respond` and `ROUTER_TOML`; no test leaves anything behind in it."""
    with running_vendor(request.module.respond) as vendor:
        toml = request.module.ROUTER_TOML.format(url=vendor.url)
        folder, environ = tmp_path_factory.mktemp("router"), {"KEY": "\ufeffup\r\n"}
        with running_router(toml, folder, environ=environ) as router:
            yield router, vendor


@pytest.fixture
def router(serving):
    return serving[0]


@pytest.fixture
def vendor(serving):
    serving[1].requests.clear()
    return serving[1]


@pytest.fixture
def client(router):
    """The official SDK."""
    return router.openai()
