"""Checks beside a command: none fails unseen."""

import sys

import pytest

from tools.beside import run

GOOD = f'{sys.executable} -c "print(12)"'
BAD = f'{sys.executable} -c "print(6 * 7); raise SystemExit(3)"'


def command(status):
    return [sys.executable, "-c", f"raise SystemExit({status})"]


@pytest.mark.parametrize(
    ("checks", "status", "said"),
    [
        ([], 0, ()),
        ([GOOD, GOOD], 0, ()),
        ([GOOD], 5, ()),
        ([BAD], 5, ("failed:\n42\n",)),
        ([BAD, GOOD], 0, ("failed:\n42\n",)),
        (["no-such-command -x", GOOD], 0, ("no-such-command -x cannot be run",)),
    ],
)
def test_a_failure_is_seen(capfd, checks, status, said):
    assert run(checks, command(status)) == (status or (1 if said else 0))
    shown = capfd.readouterr().err
    assert all(words in shown for words in said)
    assert "12" not in shown
