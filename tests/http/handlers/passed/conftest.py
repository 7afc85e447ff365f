"""Two users, and a vendor that knows neither."""

import pytest

from ....batch_vendor import BatchVendor
from ....file_vendor import KEY, FileVendor
from ....passing import Person


@pytest.fixture(scope="session")
def one_vendor():
    with FileVendor() as vendor:
        yield vendor


@pytest.fixture
def file_vendor(one_vendor):
    """A vendor that keeps nothing yet."""
    one_vendor.forget()
    return one_vendor


@pytest.fixture(scope="session")
def one_batch_vendor():
    with BatchVendor() as vendor:
        yield vendor


@pytest.fixture
def batch_vendor(one_batch_vendor):
    """A vendor with batches, which keeps nothing yet."""
    one_batch_vendor.forget()
    return one_batch_vendor


@pytest.fixture
def app_files(file_vendor):
    return {
        "router.toml": f"""
        [passthrough]
        provider = "openai"
        vendors = ["claude"]
        [request_log]
        calls = "all"
        [providers.openai]
        type = "openai"
        api_key = "{KEY}"
        base_url = "{file_vendor.url}"
        responses = true
        models = ["gpt-4o", "gpt-*"]
        [providers.second]
        type = "openai"
        api_key = "{KEY}"
        base_url = "{file_vendor.url}"
        responses = true
        models = ["gpt-4o", "gpt-*"]
        [routes.any]
        targets = ["second/gpt-4o", "openai/gpt-4o"]
        [routes.elsewhere]
        targets = ["second/gpt-4o"]
        [providers.claude]
        type = "anthropic"
        api_key = "{KEY}"
        base_url = "{file_vendor.origin}"
        [prices."claude/*"]
        input = 10
        output = 10
        """
    }


@pytest.fixture
def ann(app, http_client, base_url):
    return Person(app, "ann", http_client, base_url)


@pytest.fixture
def bob(app, http_client, base_url):
    return Person(app, "bob", http_client, base_url)
