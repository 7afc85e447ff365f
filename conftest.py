"""For every test of the repository."""

import gc
import os

import pytest
from hypothesis import settings

TIMES = int(os.environ.get("EXAMPLES_TIMES", "1"))
"""So many times as many examples are tried as by default, for a long run; others each time."""

# How long an example takes says nothing on a busy machine.
settings.register_profile("untimed", deadline=None, max_examples=100 * TIMES)
settings.load_profile("untimed")


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """Keeps the garbage collector from what stays: every test is an object, until the end.

    Twice as fast to collect; and of 14,000 tests each pass over all objects takes half a second.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_addoption(parser):
    """Lets the tests of the core run on either database, and on every front."""
    parser.addoption(
        "--http",
        choices=("llhttp", "tornado"),
        help="the front that tests of tests/ run on, unless they try every one",
    )
    parser.addoption(
        "--database",
        choices=("sqlite", "postgresql", "both"),
        default="sqlite",
        help="what the tests of tests/ that need a database stand on; both: run them on each",
    )
