"""The lock of a router that holds limits in its memory: for one process, and for its life."""

import subprocess
import sys

import pytest

from tornado_router.storage.process_lock import LockedError, ProcessLock

HOLDER = """
import sys, time
from pathlib import Path
from tornado_router.storage.process_lock import ProcessLock
lock = ProcessLock(Path(sys.argv[1]))
print("held", flush=True)
time.sleep(60)
"""


def test_is_held_once(tmp_path):
    path = tmp_path / "router.lock"
    lock = ProcessLock(path)
    with pytest.raises(LockedError):
        ProcessLock(path)
    lock.release()
    ProcessLock(path).release()


def test_dies_with_its_process(tmp_path):
    path = tmp_path / "router.lock"
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, path], stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(LockedError):
            ProcessLock(path)
        holder.kill()
    ProcessLock(path).release()
