"""Tries of passwords are counted by network and by account, and one too many is refused."""

import asyncio

import pytest

from tornado_router.accounts.throttle import NETWORKS_AT_ONCE, Throttle, network_of
from tornado_router.config.options import AuthOptions
from tornado_router.errors import ApiError
from tornado_router.limits.limiter import LimiterAwayError
from tornado_router.limits.memory import MemoryLimiter


@pytest.fixture
def count():
    """Counts a try of some kind; returns the code and the headers of a refusal."""
    throttle = Throttle(
        MemoryLimiter(), AuthOptions(attempts_per_account=2, attempts_per_address=5)
    )

    def count(kind, *arguments):
        try:
            asyncio.run(getattr(throttle, kind)(*arguments))
        except ApiError as error:
            return error.status, error.code, set(error.headers)
        return None

    return count


TOO_MANY = (429, "rate_limit_exceeded", {"Retry-After", "retry-after-ms"})


def test_one_network_has_so_many_tries(count):
    came = [count("arrival", "192.0.2.1") for _ in range(4)]
    came += [count("proof", "192.0.2.1", user_id) for user_id in range(2)]
    assert came == [None] * 5 + [TOO_MANY]
    assert count("arrival", "192.0.2.2") is None


def test_one_account_has_fewer_from_one_network(count):
    assert [count("sign_in", "192.0.2.1", "ada@x.org") for _ in range(3)] == [None, None, TOO_MANY]
    assert count("sign_in", "192.0.2.2", "ada@x.org") is None


def test_many_networks_together_do_not_guess_a_password(count):
    came = [count("sign_in", f"192.0.2.{n}", "ada@x.org") for n in range(2 * NETWORKS_AT_ONCE + 1)]
    assert came == [None] * 2 * NETWORKS_AT_ONCE + [TOO_MANY]


def test_a_proof_does_not_count_as_signing_in(count):
    assert [count("proof", "192.0.2.1", 7) for _ in range(3)] == [None, None, TOO_MANY]
    assert count("sign_in", "192.0.2.1", "ada@x.org") is None


def test_limits_that_are_unavailable():
    class Away(MemoryLimiter):
        async def admit(self, demand):
            raise LimiterAwayError

    with pytest.raises(ApiError) as caught:
        asyncio.run(Throttle(Away(), AuthOptions()).arrival("192.0.2.1"))
    assert (caught.value.status, caught.value.code) == (503, "limits_unavailable")


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
    ],
)
def test_an_ipv6_customer_has_a_whole_network(address, network):
    assert network_of(address) == network
