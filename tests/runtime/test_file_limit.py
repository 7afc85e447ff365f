"""The limit on open files: raised as far as it helps, and no further than allowed."""

import resource

import pytest
from loguru import logger

from tornado_router.config.reader import load
from tornado_router.runtime import file_limit
from tornado_router.runtime.file_limit import SPARE, raise_file_limit, wanted_files

TEXT = """
[server]
max_connections = 1000
[providers.a]
type = "echo"
max_connections = 200
[providers.b]
type = "echo"
max_connections = 300
"""


@pytest.fixture
def config(tmp_path):
    (tmp_path / "router.toml").write_text(TEXT)
    return load(tmp_path / "router.toml", {})


@pytest.fixture
def log():
    lines = []
    sink = logger.add(lines.append, format="{message}", level="WARNING")
    yield lines
    logger.remove(sink)


@pytest.fixture
def limited(monkeypatch, config):
    """The limits after those of the system were raised."""

    def limited(soft, hard):
        limits = [soft, hard]
        monkeypatch.setattr(file_limit.resource, "getrlimit", lambda _: tuple(limits))
        monkeypatch.setattr(
            file_limit.resource, "setrlimit", lambda _, new: limits.__setitem__(slice(None), new)
        )
        raise_file_limit(config)
        return tuple(limits)

    return limited


def test_what_a_process_may_need(config):
    assert wanted_files(config) == 1500 + SPARE


@pytest.mark.parametrize("hard", [10_000, resource.RLIM_INFINITY])
def test_it_is_raised_to_that(limited, log, hard):
    assert limited(1024, hard) == (1500 + SPARE, hard)
    assert log == []


@pytest.mark.parametrize("soft", [5000, resource.RLIM_INFINITY])
def test_but_never_lowered(limited, log, soft):
    assert limited(soft, resource.RLIM_INFINITY) == (soft, resource.RLIM_INFINITY)
    assert log == []


def test_nor_raised_beyond_what_the_system_allows(limited, log):
    assert limited(1024, 1400) == (1400, 1400)
    assert log == []


def test_too_few_for_the_clients_are_logged(limited, log):
    assert limited(512, 1024) == (1024, 1024)
    assert log == [
        "the system allows 1024 open files (ulimit -n), too few for max_connections = 1000: raise "
        "the one or lower the other\n"
    ]
