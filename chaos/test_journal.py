"""A router starts over a journal that is damaged at each byte of a record."""

import signal

import pytest

from tests.ledger.books import call
from tests.servers import own_redis
from tornado_router.ledger import codec

from .conftest import Outcome

REDIS = """
[redis]
host = "127.0.0.1"
port = {port}
timeout = 1.0
"""


def flip(data, place):
    data[place] ^= 1 << (place % 8)


def zero(data, place):
    data[place] = 0


def cut(data, place):
    del data[place:]


def page(data, place):
    data[place : place + 4096] = bytes(min(4096, len(data) - place))


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("harm", [flip, zero, cut, page])
def test_every_other_record_survives(deploy, tmp_path, harm, workers):
    with own_redis(tmp_path) as redis:
        more = REDIS.format(port=redis.port) if workers > 1 else ""
        world = deploy(more=more, server=f"workers = {workers}")
        world.router.send(signal.SIGKILL)
        world.router.wait()
        folder = tmp_path / "data" / "router.db.journal"
        size = len(codec.encode_finished(call(100_000))) - 10  # as checksums differ in length
        for place in range(size):
            first, second, last = (call(100_000 + 3 * place + at, user_id=2) for at in range(3))
            records = [codec.HEADER, *map(codec.encode_finished, (first, second, last))]
            data = bytearray(b"".join(record + b"\n" for record in records) + bytes(8192))
            harm(data, sum(len(record) + 1 for record in records[:2]) + place)
            (folder / f"1-{place:05}-1.journal").write_bytes(data)
        world.router = world.project.serve()
        (numbers,) = zip(*world.ask("SELECT call_id FROM usage_logs"), strict=True)
        found = {int(name.removeprefix("req_")) - 100_000 for name in numbers}
        assert {3 * place for place in range(size)} <= found
        if harm in (flip, zero):
            assert {3 * place + 2 for place in range(size)} <= found
        assert not {3 * place + 1 for place in range(size)} & found
        aside = [path for path in folder.iterdir() if path.suffix == ".damaged"]
        assert len(aside) == size - (
            harm in (cut, page)
        )  # from its first byte on, nothing is there
        said = [line for line in world.router.log() if line["level"] == "critical"]
        assert len([line for line in said if "cannot be read, at byte" in line["message"]]) == len(
            aside
        )
        outcome = Outcome()
        world.load(outcome, calls=200)
        world.check(f"journal, {harm.__name__}, {workers} workers", outcome)
