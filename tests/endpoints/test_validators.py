"""Validators are made when they are needed, and are those of their endpoints."""

import pytest

from tornado_router.endpoints import ENDPOINTS
from tornado_router.endpoints.validators import Validators
from tornado_router.errors import ApiError
from tornado_router.validation import load_schema

COUNTS = [endpoint.count_name for endpoint in ENDPOINTS.values() if endpoint.count_name]


@pytest.mark.parametrize("name", [*ENDPOINTS, *COUNTS])
def test_each_has_the_schema_of_its_requests(name):
    assert Validators("standard")[name].schema == load_schema(f"{name}.request")


def test_rules_and_profile_hold():
    body = {"model": "m", "messages": [{"role": "owl", "content": "hoo"}]}
    Validators("open")["chat.completions"].check(body)
    with pytest.raises(ApiError):
        Validators("standard")["chat.completions"].check(body)


def test_each_is_made_once():
    validators = Validators("standard")
    assert not validators
    first = validators["messages"]
    assert validators["messages"] is first
    assert list(validators) == ["messages"]


def test_what_is_not_there():
    with pytest.raises(FileNotFoundError):
        Validators("standard")["nothing"]
