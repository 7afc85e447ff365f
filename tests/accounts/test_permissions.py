"""What a key may be used for, as the column holds it."""

import pytest

from tornado_router.accounts.permissions import Permissions


@pytest.mark.parametrize(
    "permissions",
    [
        Permissions(),
        Permissions(models=("gpt-*", "claude-*")),
        Permissions(endpoints=()),
        Permissions((), ("embeddings",)),
    ],
)
def test_the_column_holds_them(permissions):
    assert Permissions.read(permissions.dump()) == permissions


def test_a_list_as_older_rows_have_it_permits_everything():
    assert Permissions.read("[]") == Permissions()
