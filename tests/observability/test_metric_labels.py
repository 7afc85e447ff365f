"""Which names metrics tell apart, and that clients cannot make up any."""

import pytest

from tornado_router.observability import metric_labels
from tornado_router.observability.metric_labels import (
    OTHER,
    BoundedNames,
    failure_reason,
    refusal_code,
)
from tornado_router.observability.redaction import MAX_SHOWN_NAME, REDACTED


@pytest.fixture
def names(monkeypatch):
    monkeypatch.setattr(metric_labels, "MOST_NAMES", 2)
    return BoundedNames()


def test_those_that_are_served_have_one_up_to_a_number(names):
    served = [names.name(model, is_real=True) for model in ("a", "b", "c", "a")]
    assert served == ["a", "b", OTHER, "a"]


def test_one_that_was_served_once_keeps_it(names):
    assert names.name("a", is_real=False) == OTHER
    names.name("a", is_real=True)
    assert names.name("a", is_real=False) == "a"


def test_those_that_are_listed_have_one_whatever_was_before(names):
    for model in ("a", "b", "c"):
        names.name(model, is_real=True)
    names.keep({"listed"})
    assert names.name("listed", is_real=False) == "listed"


def test_a_name_is_shown_clipped_and_without_secrets(names):
    assert names.name("x" * 1000, is_real=True) == "x" * MAX_SHOWN_NAME
    assert names.name("x" * 1000, is_real=False) == "x" * MAX_SHOWN_NAME
    assert names.name("sk-" + "a" * 30, is_real=True) == REDACTED


def test_one_that_shares_its_name_is_not_searched_for_secrets(names, monkeypatch):
    """There may be thousands, and each is asked for every second."""
    searched = []

    def search(name):
        searched.append(name)
        return name

    monkeypatch.setattr(metric_labels, "printable_name", search)
    names.name("junk", is_real=False)
    for model in ("a", "b", "c", "c", "a"):
        names.name(model, is_real=True)
    assert searched == ["a", "b"]


@pytest.mark.parametrize(
    ("status", "code", "reason"),
    [
        (504, "timeout", "timeout"),
        (429, "whatever the vendor says", "rate_limited"),
        (400, "whatever the vendor says", "refused"),
        (503, None, "server_error"),
    ],
)
def test_reasons_of_failures_are_few(status, code, reason):
    assert failure_reason(status, code) == reason


def test_codes_of_vendors_share_a_name():
    own = ("model_not_found", "rate_limit_exceeded", "invalid_request_error", "")
    assert tuple(map(refusal_code, own)) == own
    assert refusal_code("prompt_4711_is_odd") == OTHER
    assert refusal_code(None) == ""
