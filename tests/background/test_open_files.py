"""Whether the process may open another file, or socket."""

import os
import resource

from tornado_router.background.open_files import RESERVE, may_accept, may_open

from ..support import no_descriptors


def test_may_unless_there_is_no_descriptor():
    assert may_open()
    with no_descriptors():
        assert not may_open()
    assert may_open()


def test_clients_leave_the_reserve():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest = os.dup(0)
    os.close(lowest)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (lowest + RESERVE + 1, hard))
        assert may_accept()
        resource.setrlimit(resource.RLIMIT_NOFILE, (lowest + RESERVE, hard))
        assert not may_accept()
        assert may_open()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    with no_descriptors():
        assert not may_accept()
