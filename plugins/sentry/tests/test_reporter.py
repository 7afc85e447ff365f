"""What the environment asks for."""

import pytest

from tornado_router_sentry.reporter import Reporter


def test_without_a_dsn_there_is_none():
    assert Reporter.from_environment({}) is None
    assert Reporter.from_environment({"SENTRY_DSN": ""}) is None


@pytest.mark.parametrize("rate", ["2", "-1", "often"])
def test_a_rate_that_cannot_be(rate):
    environ = {"SENTRY_DSN": "http://public@127.0.0.1:1/1", "SENTRY_SAMPLE_RATE": rate}
    with pytest.raises(ValueError, match=r"SENTRY_SAMPLE_RATE|convert"):
        Reporter.from_environment(environ)


def test_a_dsn_that_is_none():
    with pytest.raises(ValueError, match=r"DSN|Unsupported|dsn"):
        Reporter.from_environment({"SENTRY_DSN": "nonsense"})
