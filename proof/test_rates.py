"""Rates: no window sees more than its bucket allows, and hardly any of it is wasted."""

import asyncio
import os

import pytest

from .conftest import note, now, tally

SECONDS = float(os.environ.get("PROOF_SECONDS", "120"))
FLEETS = [1, 4]


def check_every_window(admitted, size, per_second):
    """Whether calls, each let in between its two times, fit into a bucket in every window.

    A window is as long as it can have been: from the sending of its first call to the answer to
    its last.
    """
    admitted = sorted(admitted)
    for first in range(len(admitted)):
        started = admitted[first][0]
        latest = started
        for last in range(first, len(admitted)):
            latest = max(latest, admitted[last][1])
            count = last - first + 1
            assert count <= size + per_second * (latest - started) + 1e-6


@pytest.mark.parametrize("routers", FLEETS)
def test_requests_in_a_minute(deploy, routers):
    rpm, rate = 100, 1000 / 60
    seconds = SECONDS if routers > 1 else min(SECONDS, 30)
    with deploy(routers) as fleet:
        fleet.cli("users", "set", "ada@example.com", "--plan", "unlimited")
        key = fleet.key("--rpm", str(rpm))

        async def one(session, number, begin):
            await asyncio.sleep(max(0, begin + number / rate - now()))
            sent = now()
            status, *_ = await fleet.call(session, key, number, max_tokens=1)
            return status, sent, now()

        async def work(session):
            begin = now() + 0.2
            count = int(seconds * rate)
            return await asyncio.gather(*(one(session, n, begin) for n in range(count)))

        answers = fleet.run(work)
        counted = tally(answers)
        lasted = max(sent for _, sent, _ in answers) - min(sent for _, sent, _ in answers)
        allowed = rpm + rpm / 60 * lasted
        check_every_window(
            [(sent, got) for status, sent, got in answers if status == 200], rpm, rpm / 60
        )
        expected = f"{allowed * 0.99:.0f}..{allowed + 1:.0f}"
        note(f"rpm 100, {seconds:.0f} s", routers, len(answers), counted[200], expected, "-", "-")
        assert counted[200] >= int(allowed * 0.99)


@pytest.mark.parametrize("routers", FLEETS)
def test_tokens_in_a_minute(deploy, routers):
    tpm = 12_000
    with deploy(routers) as fleet:
        fleet.cli("users", "set", "ada@example.com", "--plan", "unlimited")
        key = fleet.key("--tpm", str(tpm))

        async def client(session, number):
            answers = []
            end = now() + min(SECONDS, 20)
            while now() < end:
                sent = now()
                status, *_ = await fleet.call(session, key, number, max_tokens=50)
                answers.append((status, sent, now()))
                number += 1
            return answers

        async def work(session):
            clients = await asyncio.gather(*(client(session, n) for n in range(8)))
            return [answer for answers in clients for answer in answers]

        answers = fleet.run(work)
        counted = tally(answers)
        fleet.wait_for_rows(len(answers))
        (used,) = fleet.ask("SELECT SUM(total_tokens) FROM usage_logs")
        lasted = max(got for *_, got in answers) - min(sent for _, sent, _ in answers)
        allowed = tpm + tpm / 60 * lasted
        note("tpm 12000, tokens", routers, len(answers), used, f"..{allowed:.0f}", "-", "-")
        assert used <= allowed
        assert used >= allowed * 0.95
        assert counted[429]


@pytest.mark.parametrize("routers", FLEETS)
def test_calls_at_once(deploy, routers):
    with deploy(routers) as fleet:
        fleet.cli("users", "set", "ada@example.com", "--plan", "unlimited")
        key = fleet.key("--max-in-flight", "10")

        async def peak(session):
            async with session.get(f"{fleet.upstream}/peak") as answer:
                return (await answer.json())["most"]

        async def work(session):
            await peak(session)
            answers = await asyncio.gather(
                *(
                    fleet.call(session, key, n, model="vendor/pause-300", max_tokens=1)
                    for n in range(200)
                )
            )
            return answers, await peak(session)

        answers, most = fleet.run(work)
        tally(answers)
        note("in flight 10, at once", routers, 200, most, 10, "-", "-")
        assert most == 10
