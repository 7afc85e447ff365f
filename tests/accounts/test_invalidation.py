"""Announcing changes in one process."""

import asyncio

from tornado_router.accounts.invalidation import LocalInvalidation


def test_every_listener_is_called():
    invalidation, first, second = LocalInvalidation(), [], []
    invalidation.listen(first.append)
    invalidation.listen(second.append)
    asyncio.run(invalidation.publish(7))
    assert first == second == [7]


def test_changes_by_the_command_line_do_not_arrive():
    assert not LocalInvalidation().live
