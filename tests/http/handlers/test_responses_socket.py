"""What ends a websocket of `/v1/responses` in time: here, in a second."""

import json

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tornado_router.http.handlers import responses_socket

PATIENCE = 60


def opened(base_url, key):
    url = base_url.replace("http", "ws", 1) + "/v1/responses"
    headers = {"Authorization": f"Bearer {key}"}
    return connect(url, additional_headers=headers, max_size=None)


async def ask(socket, **fields):
    await socket.send(json.dumps({"type": "response.create", "model": "echo", **fields}))


async def until(socket, *kinds):
    while (event := json.loads(await socket.recv()))["type"] not in kinds:
        pass
    return event


@pytest.mark.gen_test(timeout=PATIENCE)
async def test_it_lives_for_an_hour(app, base_url, http_server, key, monkeypatch):
    monkeypatch.setattr(responses_socket, "LIFE_SECONDS", 0.0)
    async with opened(base_url, key) as socket:
        await ask(socket, input="Hi")
        error = await until(socket, "error", "response.completed")
        assert (error["status"], error["error"]["code"]) == (
            400,
            "websocket_connection_limit_reached",
        )
    async with opened(base_url, key) as socket:
        app.services.requests.look_after()  # as a sweep does
        error = await until(socket, "error")
        assert error["error"]["code"] == "websocket_connection_limit_reached"
        with pytest.raises(ConnectionClosed):
            await socket.recv()
        assert socket.close_code == 1000


@pytest.mark.gen_test(timeout=PATIENCE)
async def test_nothing_is_left_behind(app, base_url, http_server, key):
    services = app.services
    async with opened(base_url, key) as socket:
        await ask(socket, input="x" * 70_000, store=False)
        last = await until(socket, "response.completed")
        assert services.memory.held > 140_000  # what was said is remembered
        await ask(socket, input="y", store=False, previous_response_id=last["response"]["id"])
        await until(socket, "response.completed")
    await services.requests.finished(PATIENCE)
    assert (services.memory.held, services.bounds.calls, services.requests.count) == (0, 0, 0)


@pytest.mark.gen_test(timeout=PATIENCE)
async def test_there_is_room_for_so_many_calls(app, base_url, http_server, key):
    app.services.bounds.max_calls = 0
    async with opened(base_url, key) as socket:
        await ask(socket, input="x")
        assert (await until(socket, "error"))["status"] == 503
        app.services.bounds.max_calls = 1
        await ask(socket, input="x")
        await until(socket, "response.completed")
        app.services.memory.limit = 0
        await ask(socket, input="x")
        assert (await until(socket, "error"))["status"] == 503


@pytest.mark.gen_test(timeout=PATIENCE)
async def test_a_fault_of_the_routers_own_ends_a_response_alone(
    app, base_url, http_server, key, monkeypatch
):
    async with opened(base_url, key) as socket:
        with monkeypatch.context() as patch:
            patch.setattr(type(app.services.serving.gateway), "run", None)
            await ask(socket, input="x")
            error = await until(socket, "error")
            assert (error["status"], error["error"]["code"]) == (500, "internal_error")
        await ask(socket, input="x")
        await until(socket, "response.completed")


@pytest.mark.gen_test(timeout=PATIENCE)
async def test_a_large_request_is_looked_through(base_url, http_server, key):
    async with opened(base_url, key) as socket:
        await ask(socket, input="x" * 300_000, store=False)
        await until(socket, "response.completed")
        await ask(socket, input=[{"role": "user", "content": "x"}] * 30_000, store=False)
        error = await until(socket, "error", "response.completed")
        assert error["error"]["code"] == "too_many_values"
