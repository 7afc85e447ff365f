"""The endpoints together: each has what the core asks for."""

import pytest

from tornado_router.endpoints import ENDPOINTS
from tornado_router.validation import PROFILES, load_schema


@pytest.mark.parametrize("name", ENDPOINTS)
def test_every_endpoint_has_its_schemas_and_examples_that_fit(name):
    endpoint = ENDPOINTS[name]
    assert endpoint.name == name
    assert load_schema(f"{name}.response")
    assert load_schema(f"{name}.request")["properties"][endpoint.prompt_field]
    assert bool(endpoint.documentation.chunk) == endpoint.streams
    if endpoint.streams:
        assert load_schema(endpoint.documentation.chunk)
    assert endpoint.documentation.examples
    for profile in PROFILES:
        for body in endpoint.documentation.examples.values():
            endpoint.validator(profile).check(body)


def test_no_two_endpoints_share_a_path():
    assert len({endpoint.path for endpoint in ENDPOINTS.values()}) == len(ENDPOINTS)
