"""Accepting connections where the system allows no more, or breaks."""

import asyncio
import errno
import os
import socket

import pytest
from tornado.netutil import bind_sockets

from tornado_router.background import supervisor
from tornado_router.http import acceptor as module
from tornado_router.http.acceptor import Acceptor

from ..support import DEADLINE


class Listening:
    """A listening socket whose `accept` fails first, with one error after the other."""

    def __init__(self, sock, errors):
        self.sock = sock
        self.errors = errors
        self.asked = 0

    def accept(self):
        self.asked += 1
        if self.errors:
            number = self.errors.pop(0)
            raise OSError(number, os.strerror(number))
        return self.sock.accept()

    def fileno(self):
        return self.sock.fileno()

    def close(self):
        self.sock.close()


class World:
    def __init__(self, errors=(), faults=0):
        (sock,) = bind_sockets(0, "127.0.0.1")
        self.port = sock.getsockname()[1]
        self.listening = Listening(sock, list(errors))
        self.faults = faults
        self.taken = []
        self.exhausted = 0
        self.out = asyncio.Event()
        self.acceptor = Acceptor(self.listening, self.take, self.exhaust)

    def take(self, connection, address):
        if self.faults:
            self.faults -= 1
            raise ValueError("not this one")
        self.taken.append((connection, address))

    def exhaust(self):
        self.exhausted += 1
        self.out.set()

    def close(self):
        acceptor, self.acceptor = self.acceptor, None
        if acceptor:
            acceptor.close()

    async def until_taken(self, count=1):
        async with asyncio.timeout(DEADLINE):
            while len(self.taken) < count:  # noqa: ASYNC110 - no event for it
                await asyncio.sleep(0.01)


def run(story, **how):
    async def main():
        world = World(**how)
        clients = [socket.create_connection(("127.0.0.1", world.port)) for _ in range(3)]
        try:
            await story(world, clients)
        finally:
            world.close()
            for sock in (*clients, *(connection for connection, _ in world.taken)):
                sock.close()
        return world

    return asyncio.run(main())


def test_all_that_wait_are_taken():
    async def story(world, clients):
        await world.until_taken(3)
        assert [address for _, address in world.taken] == [sock.getsockname() for sock in clients]

    assert run(story).exhausted == 0


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM])
def test_without_descriptors_it_pauses_and_goes_on_later(monkeypatch, number):
    monkeypatch.setattr(module, "PAUSE_SECONDS", 0.05)

    async def story(world, clients):
        await world.until_taken(3)

    world = run(story, errors=[number] * 4)
    assert world.exhausted == 4
    assert world.listening.asked < 20  # it does not ask again and again


def test_a_pause_ends_with_it(monkeypatch):
    monkeypatch.setattr(module, "PAUSE_SECONDS", 0.01)

    async def story(world, clients):
        await world.out.wait()
        world.close()
        await asyncio.sleep(0.05)
        assert world.taken == []

    run(story, errors=[errno.EMFILE] * 100)


@pytest.mark.parametrize("number", [errno.ECONNABORTED, errno.EPROTO, errno.EPERM])
def test_one_that_broke_meanwhile_is_skipped(number):
    async def story(world, clients):
        await world.until_taken(3)

    assert run(story, errors=[number]).exhausted == 0


def test_one_that_cannot_be_served_costs_no_other():
    async def story(world, clients):
        await world.until_taken(2)
        clients[0].settimeout(DEADLINE)
        assert clients[0].recv(1) == b""

    before = supervisor.failures().get("accepting", 0)
    run(story, faults=1)
    assert supervisor.failures()["accepting"] == before + 1
