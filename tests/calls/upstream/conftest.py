"""The clients that the tests of a client are run with."""

import pytest

from . import vendor


@pytest.fixture(params=["llhttp", "aiohttp"])
def each_client(request, monkeypatch):
    """Has `vendor.options` choose each client in turn."""
    monkeypatch.setattr(vendor, "HTTP_CLIENT", request.param)
    return request.param


@pytest.fixture
def llhttp_client(monkeypatch):
    """Has `vendor.options` choose the router's own client."""
    monkeypatch.setattr(vendor, "HTTP_CLIENT", "llhttp")


@pytest.fixture
def aiohttp_client(monkeypatch):
    """Has `vendor.options` choose aiohttp."""
    monkeypatch.setattr(vendor, "HTTP_CLIENT", "aiohttp")
