"""What of a wrong path is a vendor's own."""

import pytest

from tornado_router.endpoints import ENDPOINTS
from tornado_router.endpoints.vendor_paths import VERSION, path_within


@pytest.mark.parametrize("endpoint", ENDPOINTS.values(), ids=ENDPOINTS)
@pytest.mark.parametrize("base", ["", VERSION, "/v1/v1", "/openai/deployments/blue", "/a/b/v2"])
@pytest.mark.parametrize("end", ["", "/", "//"])
def test_every_endpoint_is_known_behind_any_base_url(endpoint, base, end):
    assert path_within(base + endpoint.path.removeprefix(VERSION) + end) == endpoint.path


@pytest.mark.parametrize("endpoint", ENDPOINTS.values(), ids=ENDPOINTS)
def test_however_many_slashes_there_are(endpoint):
    path = endpoint.path.removeprefix(VERSION)
    for place in range(path.count("/")):
        start = [index for index, letter in enumerate(path) if letter == "/"][place]
        assert path_within(f"{VERSION}{path[:start]}/{path[start:]}") == endpoint.path


@pytest.mark.parametrize("path", ["/files/f1/content", "/messages/count_tokens", "/audio/speech"])
def test_what_follows_is_kept(path):
    assert path_within(path) == path_within("/v1/v1" + path) == VERSION + path


@pytest.mark.parametrize("path", ["", "/", "//", "/v1", "/v1/chat", "/chat/files_", "/nope"])
def test_a_path_of_no_api(path):
    assert path_within(path) is None
