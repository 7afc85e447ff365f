"""What the environment asks for, and what an event says."""

from decimal import Decimal
from typing import ClassVar

import pytest
import sentry_sdk

from tornado_router.hookspecs import RequestFinished
from tornado_router_sentry.reporter import RELEASE, Reporter, make_event

CALL = RequestFinished(
    call_id="req_1",
    request_id="mine",
    endpoint="chat.completions",
    user_id=1,
    key_id=2,
    key_name="canary",
    model="fast",
    provider=None,
    target_model=None,
    stream=False,
    status=500,
    error_code="internal_error",
    dropped_params=(),
    prompt_tokens=0,
    completion_tokens=0,
    cached_tokens=0,
    cache_write_tokens=0,
    reasoning_tokens=0,
    usage_estimated=False,
    cost=Decimal(0),
    uncharged=Decimal(0),
    paid_from_credits=False,
    prices=None,
    finished_at=1_800_000_000.0,
    duration=1.0,
    first_chunk=None,
    trace_id="4bf92f35",
    internal_error="KeyError in tornado_router.calls.gateway.Gateway.run:7",
)


class Client:
    """Takes the place of the SDK's."""

    made: ClassVar = []

    def __init__(self, **options):
        self.made.append(self)
        self.options = options
        self.events = []

    def capture_event(self, event, scope):
        self.events.append(event)

    def close(self, timeout):
        """Has nothing to wait for."""


@pytest.fixture
def made(monkeypatch):
    monkeypatch.setattr(Client, "made", [])
    monkeypatch.setattr(sentry_sdk, "Client", Client)
    return Client.made


@pytest.mark.parametrize("rate", ["2", "-1", "often"])
def test_a_rate_that_cannot_be(rate):
    environ = {"SENTRY_DSN": "http://public@127.0.0.1:1/1", "SENTRY_SAMPLE_RATE": rate}
    with pytest.raises(ValueError, match=r"SENTRY_SAMPLE_RATE|convert"):
        Reporter.from_environment(environ)


def test_a_dsn_that_is_none():
    with pytest.raises(ValueError, match=r"DSN|Unsupported|dsn"):
        Reporter.from_environment({"SENTRY_DSN": "nonsense"})


def test_no_client_is_made_before_the_first_report(made):
    environ = {"SENTRY_DSN": "http://public@127.0.0.1:1/1", "SENTRY_RELEASE": ""}
    reporter = Reporter.from_environment(environ)
    assert made == []
    reporter.report(CALL)
    reporter.report(CALL)
    (client,) = made
    assert client.options["release"] == RELEASE
    assert len(client.events) == 2


def test_a_release_of_ones_own(made):
    environ = {"SENTRY_DSN": "http://public@127.0.0.1:1/1", "SENTRY_RELEASE": "mine"}
    Reporter.from_environment(environ).report(CALL)
    assert made[0].options["release"] == "mine"


def test_an_internal_error_is_an_issue_for_each_place():
    event = make_event(CALL)
    assert event["message"] == CALL.internal_error
    assert event["fingerprint"] == [CALL.internal_error]
    assert event["extra"]["trace_id"] == "4bf92f35"
    assert "canary" not in str(event)


def test_a_failure_of_a_provider_is_an_issue_for_each_code():
    event = make_event(
        CALL._replace(provider="up", target_model="m", error_code=None, internal_error=None)
    )
    assert event["message"] == "500: up, m"
    assert event["fingerprint"] == ["up", "m", "500"]
