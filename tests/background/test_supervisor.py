"""Threads, tasks and loops: none fails unseen, and what is to go on is started again."""

import ast
import asyncio
import threading
from pathlib import Path

import pytest
from loguru import logger

import tornado_router
from tornado_router.background import supervisor
from tornado_router.background.supervisor import (
    Backoff,
    SupervisedThread,
    call_later,
    child_task,
    end_task,
    failures,
    keep_task,
    repeat,
    start_task,
    thread_pool,
)

NAME = "test of the supervisor"


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    monkeypatch.setattr(supervisor, "FIRST_PAUSE", 0.001)
    monkeypatch.setattr(supervisor, "_failures", type(supervisor._failures)())


@pytest.fixture(autouse=True)
def errors():
    lines = []
    sink = logger.add(lambda message: lines.append(message.record["message"]), level="ERROR")
    yield lines
    logger.remove(sink)


def failing(times, then):
    """A function that fails so many times, and then does something else."""
    left = iter(range(times))

    def work():
        if next(left, None) is not None:
            raise ValueError("my secret")
        return then()

    return work


class TestTasks:
    def test_a_task_ends_that_has_missed_that_it_was_cancelled(self):
        async def main():
            turns = []

            async def work():
                while True:
                    try:
                        await asyncio.sleep(60)
                    except asyncio.CancelledError:
                        turns.append(1)
                        if len(turns) > 2:
                            raise

            task = keep_task(NAME, work)
            await asyncio.sleep(0)
            await asyncio.wait_for(end_task(task), 30)
            assert task.cancelled()

        asyncio.run(main())

    def test_a_task_that_fails_is_reported_though_nobody_awaits_it(self, errors):
        async def fail():
            raise ValueError("my secret")

        async def main():
            await asyncio.wait([start_task(NAME, fail())])

        asyncio.run(main())
        assert failures() == {NAME: 1}
        assert errors[0].startswith(f"{NAME} failed: ValueError in ")
        assert "my secret" not in errors[0]

    def test_a_task_that_ends_or_is_cancelled_is_no_failure(self):
        async def main():
            task = start_task(NAME, asyncio.sleep(0))
            cancelled = start_task(NAME, asyncio.sleep(3600))
            await task
            cancelled.cancel()
            await asyncio.wait([cancelled])
            assert not supervisor._running

        asyncio.run(main())
        assert failures() == {}

    def test_a_task_that_is_kept_goes_on_after_failures(self, errors):
        async def main():
            done = asyncio.Event()
            step = failing(3, done.set)

            async def work():
                step()
                await asyncio.sleep(3600)

            task = keep_task(NAME, work)
            await asyncio.wait_for(done.wait(), 30)
            task.cancel()
            await asyncio.wait([task])
            assert task.cancelled()

        asyncio.run(main())
        assert failures() == {NAME: 3}
        assert errors[0].endswith("; restarting in 0.001 s")

    def test_what_its_caller_awaits_is_its_callers(self):
        async def main():
            with pytest.raises(ValueError, match="secret"):
                await child_task(NAME, fail())

        async def fail():
            raise ValueError("my secret")

        asyncio.run(main())
        assert failures() == {}


class TestLoops:
    def test_a_function_is_called_again_and_again_whatever_it_raises(self):
        async def main():
            done, calls = asyncio.Event(), []
            step = failing(2, lambda: calls.append(1))

            def work():
                step()
                if len(calls) == 3:
                    done.set()

            loop = repeat(NAME, 0.001, work)
            await asyncio.wait_for(done.wait(), 30)
            loop.cancel()
            count = len(calls)
            await asyncio.sleep(0.01)
            assert len(calls) == count

        asyncio.run(main())
        assert failures() == {NAME: 2}

    def test_it_may_cancel_itself(self):
        async def main():
            calls = []

            def work():
                calls.append(1)
                loop.cancel()

            loop = repeat(NAME, 0.001, work)
            await asyncio.sleep(0.02)
            assert calls == [1]

        asyncio.run(main())

    def test_a_function_that_is_called_once(self):
        async def main():
            done = asyncio.Event()
            call_later(NAME, 0.0, failing(1, None))
            call_later(NAME, 0.001, lambda event: event.set(), done)
            call_later(NAME, 0.0, failing(1, None)).cancel()
            await asyncio.wait_for(done.wait(), 30)

        asyncio.run(main())
        assert failures() == {NAME: 1}


class TestThreads:
    def test_a_thread_goes_on_after_failures_until_its_work_is_done(self):
        done = threading.Event()
        thread = SupervisedThread(NAME, failing(3, done.set), threading.Event())
        assert thread.join(30)
        assert done.is_set()
        assert failures() == {NAME: 3}

    def test_it_does_not_when_it_is_to_stop(self, monkeypatch):
        monkeypatch.setattr(supervisor, "FIRST_PAUSE", 3600.0)
        stopping, failed = threading.Event(), threading.Event()

        def work():
            failed.set()
            raise ValueError

        thread = SupervisedThread(NAME, work, stopping)
        assert failed.wait(30)
        assert not thread.join(0)
        stopping.set()
        assert thread.join(30)

    def test_work_that_is_done_once_is_not_tried_again(self, errors):
        thread = SupervisedThread(NAME, failing(1, None))
        assert thread.join(30)
        assert failures() == {NAME: 1}
        assert "restarting" not in errors[0]

    def test_no_library_ends_a_thread(self):
        left = iter([SystemExit, None])

        def work():
            if raised := next(left):
                raise raised

        assert SupervisedThread(NAME, work, threading.Event()).join(30)
        assert failures() == {NAME: 1}

    def test_threads_of_a_pool_have_its_name(self):
        with thread_pool(NAME, 1) as pool:
            assert pool.submit(lambda: threading.current_thread().name).result() == f"{NAME}_0"


def test_pauses_grow_and_begin_again_after_a_long_run(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(supervisor, "FIRST_PAUSE", 0.5)
    monkeypatch.setattr(supervisor.time, "monotonic", lambda: now[0])
    backoff = Backoff()
    assert [backoff.next() for _ in range(8)] == [0.5, 1, 2, 4, 8, 16, 30, 30]
    backoff.begin()
    now[0] += supervisor.LONG_SECONDS + 1
    assert backoff.next() == 0.5


BY_HAND = {
    "Thread",
    "ThreadPoolExecutor",
    "Timer",
    "call_at",
    "call_later",
    "create_task",
    "ensure_future",
    "PeriodicCallback",
    "spawn_callback",
}
PACKAGE = Path(tornado_router.__file__).parent
EXCEPTIONS = {
    "calls/upstream/connection.py call_at": "one timer a connection, whose callback is guarded",
    "endpoints/bridges/many_choices.py create_task": "the choices of one call; all are awaited",
    "provider/credentials.py create_task": "the plugin API imports nothing; it is awaited",
    "redis/protocol.py call_later": "a timer for each command, whose callbacks are guarded",
    "testing/hosting.py ThreadPoolExecutor": "a plugin's tests ask a router; it ends with them",
}


def made_by_hand(path):
    """What starts a thread, a task or a timer in a module without the supervisor."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "attr", None)
            if name in BY_HAND and getattr(node.func.value, "id", "") != "supervisor":
                yield f"{path.relative_to(PACKAGE)} {name}"
            elif isinstance(node.func, ast.Name) and node.func.id in BY_HAND - {"call_later"}:
                yield f"{path.relative_to(PACKAGE)} {node.func.id}"


def test_only_the_supervisor_starts_threads_tasks_and_timers():
    others = [path for path in PACKAGE.rglob("*.py") if path.parent.name != "background"]
    found = {name for path in others for name in made_by_hand(path)}
    assert found == set(EXCEPTIONS)
