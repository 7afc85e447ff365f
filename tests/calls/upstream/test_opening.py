"""Which client sends requests."""

import asyncio

import pytest

from tornado_router.calls.upstream import open_upstream
from tornado_router.config.options import ProviderOptions

from .vendor import room


@pytest.mark.parametrize(
    ("options", "environ", "name"),
    [
        ({"http_client": "llhttp"}, {}, "LlhttpUpstream"),
        ({"http_client": "aiohttp"}, {}, "AiohttpUpstream"),
        ({"http_client": "llhttp", "proxy": "http://proxy.test:3128"}, {}, "AiohttpUpstream"),
        ({"http_client": "llhttp"}, {"HTTPS_PROXY": "http://proxy.test:3128"}, "AiohttpUpstream"),
        ({"http_client": "llhttp", "proxy": "none"}, {"HTTPS_PROXY": "http://p"}, "LlhttpUpstream"),
    ],
)
def test_the_option_decides_unless_there_is_a_proxy(options, environ, name):
    async def main():
        client = open_upstream("acme", ProviderOptions(type="t", **options), room(), environ)
        try:
            return type(client).__name__, client.pool.limit
        finally:
            await client.close()

    assert asyncio.run(main()) == (name, 1000)
