"""People for the tests of accounts, and what happens when many of them come at once."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from tornado_router.accounts import keys, registration
from tornado_router.accounts.passwords import hash_password
from tornado_router.accounts.plans import Plans
from tornado_router.config.options import AuthOptions, PlanOptions
from tornado_router.errors import ApiError

OPEN = AuthOptions(registration="open")

PASSWORD = "correct horse 7 battery"

HASH = hash_password(PASSWORD, 4)

PLANS = Plans(
    {"free": PlanOptions(credits=5.0), "pro": PlanOptions(credits=0.1), "flat": PlanOptions()},
    "free",
)

ENDPOINTS = ("chat.completions", "embeddings")
KEY_PLANS = Plans(
    {"free": PlanOptions(), "paid": PlanOptions(credits=2, rpm=7, models=("gpt-*",))}, "free"
)
INJECTIONS = [
    "' OR 1=1 --",
    "'; DROP TABLE users; --",
    '" OR ""="',
    "%",
    "_",
    "\\",
    "a%' ESCAPE '!",
    "${jndi:ldap://x}",
    "{0.__class__}",
]


def refused(work, *arguments, **more):
    """The status, the code and the param of a refusal."""
    with pytest.raises(ApiError) as caught:
        work(*arguments, **more)
    error = caught.value
    return error.status, error.code, error.param


def at_once(storage, count, work):
    """What many threads that begin together come to: results, and the codes of refusals."""
    barrier = threading.Barrier(count)

    def run(number):
        with storage.database.connection_context():
            barrier.wait(20)
            try:
                return work(number)
            except ApiError as error:
                return error.code

    with ThreadPoolExecutor(count) as threads:
        return list(threads.map(run, range(count)))


def register(email, options=OPEN, **more):
    return registration.register(options, PLANS, email, HASH, **more)


def make_key(user_id=1, **values):
    """Makes an API key of Ada, who is user 1, or of Bob, whose plan has limits; see `conftest`."""
    return keys.create(user_id, {"name": "laptop", **values}, ENDPOINTS)
