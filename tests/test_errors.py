"""Errors, as a client and as an operator see them."""

import re

import pytest

from tornado_router.errors import (
    MAX_FRAMES,
    ApiError,
    ConfigError,
    Fault,
    ProviderError,
    RouterError,
    bad_answer,
    describe_exception,
    first_line,
    forget_frames,
    invalid_request,
)


def test_body_is_openais_object_with_every_key():
    error = ApiError(404, "No such model.", param="model", code="model_not_found")
    assert error.body() == {
        "error": {
            "message": "No such model.",
            "type": "invalid_request_error",
            "param": "model",
            "code": "model_not_found",
        }
    }


def test_what_is_not_known_is_null_and_not_a_word():
    assert ApiError(500, "Oh.", type="server_error").body()["error"] == {
        "message": "Oh.",
        "type": "server_error",
        "param": None,
        "code": None,
    }


def test_headers_are_a_copy():
    headers = {"Retry-After": "5"}
    error = ApiError(429, "Slow down.", headers=headers)
    headers.clear()
    assert error.headers == {"Retry-After": "5"}


def test_invalid_request_is_a_400_that_names_its_field():
    error = invalid_request("Wrong.", "messages[1].role", "invalid_value")
    assert (error.status, error.param, error.code) == (400, "messages[1].role", "invalid_value")


def test_a_bad_answer_is_the_providers_fault_and_another_may_do_better():
    error = bad_answer("Nonsense.")
    assert (error.status, error.type, error.retryable) == (502, "api_error", True)


def test_one_tree():
    for kind in (ApiError, ProviderError, ConfigError):
        assert issubclass(kind, RouterError)


def test_config_error_holds_every_fault():
    faults = [Fault("server.port", "must be a whole number"), Fault("line 3", "is no TOML")]
    error = ConfigError(iter(faults))
    assert error.faults == tuple(faults)
    assert str(error) == "server.port: must be a whole number; line 3: is no TOML"


def test_where_an_unexpected_error_was_raised():
    def fails(prompt):
        raise KeyError(prompt)

    with pytest.raises(KeyError) as caught:
        fails("secret")
    assert re.fullmatch(
        rf"KeyError in {__name__}\.(\w+):\d+ > {__name__}\.\1\.<locals>\.fails:\d+",
        describe_exception(caught.value),
    )


def test_of_many_functions_the_innermost_are_shown():
    def fails(depth):
        if depth:
            fails(depth - 1)
        raise KeyError

    with pytest.raises(KeyError) as caught:
        fails(50)
    assert describe_exception(caught.value).count(" > ") == MAX_FRAMES - 1


@pytest.mark.parametrize(("text", "told"), [("a\nDETAIL: b", "a"), ("a", "a"), ("", "ValueError")])
def test_the_first_line_of_an_error(text, told):
    assert first_line(ValueError(text)) == told


def test_an_error_that_is_behind_itself_lets_go_of_its_frames():
    first, second = ApiError(400, "a"), ApiError(502, "b")
    first.__context__, second.__cause__ = second, first
    forget_frames(first)
    assert first.__traceback__ is None
