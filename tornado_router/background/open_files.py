"""Whether the process may open another file, or socket.

Without descriptors nothing can be opened, whatever it is: what fails then says nothing of the file
or of the host. Idle clients make room within a tenth of a second, so it is worth while to wait.
"""

from __future__ import annotations

import errno
import os
import resource
from contextlib import ExitStack

FREED_SECONDS = 0.05
"""After this time another descriptor is asked for."""

RESERVE = 16
"""Descriptors that clients' connections leave to what their calls need: vendors, the database."""

_SOME = 4
"""What is opened may take several: SQLite's file comes with a log and an index of it."""

_NO_FILES = frozenset((errno.EMFILE, errno.ENFILE))


def may_open() -> bool:
    """Whether there are some descriptors left."""
    with ExitStack() as stack:
        try:
            for _ in range(_SOME):
                stack.callback(os.close, os.open(os.devnull, os.O_RDONLY))
        except OSError as error:
            return error.errno not in _NO_FILES
    return True


def may_accept() -> bool:
    """Whether there is a descriptor left for a client, beside the reserve.

    The system gives the lowest number that is free, so those of the reserve come last.
    """
    try:
        number = os.open(os.devnull, os.O_RDONLY)
    except OSError as error:
        return error.errno not in _NO_FILES
    os.close(number)
    allowed, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return allowed == resource.RLIM_INFINITY or number < allowed - RESERVE
