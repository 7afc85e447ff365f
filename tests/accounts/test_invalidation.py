"""Word of changes in one process."""

import asyncio

from tornado_router.accounts.invalidation import LocalChanges


def test_everybody_is_told():
    changes, first, second = LocalChanges(), [], []
    changes.listen(first.append)
    changes.listen(second.append)
    asyncio.run(changes.publish(7))
    changes.tell(None)
    assert first == second == [7, None]


def test_the_command_line_is_not_heard():
    assert not LocalChanges().live
