"""Accounts and keys: one account for one address, and no call with a key that was revoked."""

import asyncio
import json

import pytest

from .conftest import EMAIL, PASSWORD, note, now

FLEETS = [1, 4]
STREAMS = 100


@pytest.mark.parametrize("routers", FLEETS)
def test_200_registrations_of_one_address_make_one_account(deploy, routers):
    with deploy(routers) as fleet:
        body = {"email": "grace@example.com", "password": PASSWORD}

        async def register(session, number):
            url = fleet.urls[number % routers] + "/auth/register"
            async with session.post(url, json=body) as answer:
                return answer.status, await answer.read()

        async def work(session):
            return await asyncio.gather(*(register(session, n) for n in range(200)))

        answers = fleet.run(work)
        statuses = sorted(status for status, _ in answers)
        (users,) = fleet.ask("SELECT COUNT(*) FROM users WHERE email = 'grace@example.com'")
        note("registrations", routers, 200, statuses.count(201), 1, "-", f"{users} account")
        assert statuses == [201] + [409] * 199
        assert users == 1


@pytest.mark.parametrize("routers", FLEETS)
@pytest.mark.parametrize("how", ["HTTP", "CLI"])
@pytest.mark.parametrize("revoked_streams", ["finish", "cut"])
def test_a_key_revoked_while_100_streams_run(deploy, routers, how, revoked_streams):
    with deploy(routers, revoked_streams=revoked_streams) as fleet:
        fleet.cli("users", "set", EMAIL, "--plan", "unlimited")
        key = fleet.key()
        key_id = fleet.ask("SELECT id FROM api_keys")[0]

        async def stream(session, number):
            _, body, _ = await fleet.call(
                session, key, number, stream=True, model="vendor/pause-100", max_tokens=60
            )
            return body, now()

        async def refused(session, number):
            """When a router first refused the key."""
            while True:
                status, *_ = await fleet.call(session, key, number, max_tokens=1)
                if status == 401:
                    return now()

        async def revoke(session):
            if how == "CLI":
                await asyncio.to_thread(fleet.cli, "keys", "revoke", str(key_id))
                return
            log_in = {"email": EMAIL, "password": PASSWORD}
            async with session.post(f"{fleet.urls[-1]}/auth/login", json=log_in) as answer:
                token = (await answer.json())["token"]
            url = f"{fleet.urls[-1]}/api-keys/{key_id}"
            headers = {"Authorization": f"Bearer {token}"}
            async with session.delete(url, headers=headers) as answer:
                assert answer.status == 204

        async def work(session):
            loop = asyncio.get_running_loop()
            streams = [loop.create_task(stream(session, n)) for n in range(STREAMS)]
            await asyncio.sleep(1.5)
            await revoke(session)
            revoked = now()
            times = await asyncio.gather(*(refused(session, n) for n in range(routers)))
            ends = await asyncio.gather(*streams)
            return revoked, times, ends

        revoked, times, ends = fleet.run(work)
        latest = max(times) - revoked
        whole = sum(body.endswith(b"data: [DONE]\n\n") for body, _ in ends)
        last_end = max(end for _, end in ends) - revoked
        expected = STREAMS if revoked_streams == "finish" else 0
        told = f"refused in {latest:.2f} s, last end {last_end:.1f} s"
        note(f"revoked by {how}, {revoked_streams}", routers, STREAMS, whole, expected, "-", told)
        assert latest <= 1.0
        assert whole == expected
        if revoked_streams == "cut":
            assert last_end <= 2.0
            for body, _ in ends:
                error = body.rstrip().rsplit(b"data: ", 1)[1]
                assert json.loads(error)["error"]["code"] == "invalid_api_key"
