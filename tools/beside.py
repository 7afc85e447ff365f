"""Runs slow checks, one after the other, beside a command that leaves processors idle for a while.

    python -m tools.beside "mypy" "python -m tools.schemas --check" -- pytest -n 4

What a failed check printed is shown when it ends and once more behind the command, whose end
is waited for. The exit status is that of the command, or 1 if it succeeds and a check does not.
"""

from __future__ import annotations

import shlex
import subprocess
import sys
import threading
from collections.abc import Sequence


def run(checks: Sequence[str], command: Sequence[str]) -> int:
    """Runs them; returns the exit status.

    Args:
        checks: their command lines.
        command: the words of the command.
    """
    failures: list[str] = []

    def check_all() -> None:
        for check in checks:
            failure = _failure(check)
            if failure:
                failures.append(failure)
                print(failure, file=sys.stderr, flush=True)

    beside = threading.Thread(target=check_all, name="checks")
    beside.start()
    status = subprocess.run(command, check=False).returncode
    beside.join()
    for failure in failures:
        print(failure, file=sys.stderr)
    return status or (1 if failures else 0)


def _failure(check: str) -> str:
    """What is to be said of a check; nothing if it succeeds."""
    try:
        done = subprocess.run(
            shlex.split(check),
            check=False,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
    except OSError as error:
        return f"\n{check} cannot be run: {error}"
    return f"\n{check} failed:\n{done.stdout}" if done.returncode else ""


if __name__ == "__main__":
    end = sys.argv.index("--")
    sys.exit(run(sys.argv[1:end], sys.argv[end + 1 :]))
