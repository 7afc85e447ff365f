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
        room = raise_file_limit(config)
        return tuple(limits), room

    return limited


def test_what_a_process_may_need(config):
    assert wanted_files(config) == 1500 + SPARE


@pytest.mark.parametrize("hard", [10_000, resource.RLIM_INFINITY])
def test_it_is_raised_to_that(limited, log, hard):
    assert limited(1024, hard) == ((1500 + SPARE, hard), 1000)
    assert log == []


@pytest.mark.parametrize("soft", [5000, resource.RLIM_INFINITY])
def test_but_never_lowered(limited, log, soft):
    assert limited(soft, resource.RLIM_INFINITY) == ((soft, resource.RLIM_INFINITY), 1000)
    assert log == []


@pytest.mark.parametrize(
    ("hard", "room"),
    [
        (1700, 944),  # what is left of it beside 500 connections to vendors and the spare ones
        (1256, 500),  # half of it without the spare ones
        (1024, 384),
        (200, 75),  # a quarter is spare
    ],
)
def test_where_it_cannot_be_raised_so_far_clients_get_fewer(limited, log, hard, room):
    assert limited(100, hard) == ((hard, hard), room)
    assert log == [
        f"the system allows {hard} open files (ulimit -n), too few for max_connections = 1000: "
        f"clients may have {room}; raise the one or lower the other\n"
    ]
