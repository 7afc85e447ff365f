"""Chat completions that the vendor stores: whoever had one made may ask for it, and nobody else."""

import json

import pytest

from ....support import DEADLINE

pytestmark = pytest.mark.gen_test(timeout=DEADLINE)

CHAT = "/v1/chat/completions"


async def ask(person, model="openai/gpt-4o", **more):
    body = {"model": model, "messages": [{"role": "user", "content": "x"}], **more}
    response = await person.ask("POST", CHAT, body, raw=True)
    assert response.code == 200, response.body
    return response.body


@pytest.mark.parametrize("stream", [False, True])
async def test_what_is_stored_is_its_makers(ann, bob, file_vendor, stream):
    given = await ask(ann, store=True, stream=stream)
    text = given.partition(b"\n")[0].removeprefix(b"data: ") if stream else given
    name = json.loads(text)["id"]
    await ask(bob, store=True)
    await ask(ann)
    path, seen = f"{CHAT}/{name}", len(file_vendor.seen)
    for method, tail in (("GET", ""), ("GET", "/messages"), ("POST", ""), ("DELETE", "")):
        body = {"metadata": {"a": "b"}} if method == "POST" else None
        code, answer = await bob.ask(method, path + tail, body)
        assert (code, answer["error"]["code"]) == (404, "resource_not_found")
    assert len(file_vendor.seen) == seen, "the vendor was asked"
    assert (await ann.ask("GET", path))[1]["id"] == name
    assert (await ann.ask("GET", f"{path}/messages"))[0] == 200
    assert (await ann.ask("POST", path, {"metadata": {"a": "b"}}))[0] == 200
    code, page = await ann.ask("GET", f"{CHAT}?limit=5")
    assert (code, [item["id"] for item in page["data"]]) == (200, [name])
    assert len((await bob.ask("GET", CHAT))[1]["data"]) == 1
    assert (await ann.ask("DELETE", path))[0] == 200
    assert (await ann.ask("GET", path))[0] == 404


async def test_what_another_provider_stores_is_not_there(ann):
    name = json.loads(await ask(ann, "second/gpt-4o", store=True))["id"]
    assert (await ann.ask("GET", f"{CHAT}/{name}"))[0] == 404


async def test_a_key_needs_the_permission(ann):
    key = ann.key_with(endpoints=["chat.completions"])
    code, answer = await ann.ask("GET", CHAT, key=key)
    assert (code, answer["error"]["code"]) == (403, "endpoint_not_permitted")
    assert "stored_completions" in answer["error"]["message"]
    key = ann.key_with(endpoints=["stored_completions"])
    assert (await ann.ask("GET", CHAT, key=key))[0] == 200


@pytest.mark.parametrize("path", ["agents", "vaults", "audio/voices", "audio/voice_consents"])
async def test_agents_vaults_and_voices_are_their_makers(ann, bob, path):
    name = await ann.make(f"/v1/{path}")
    assert (await bob.ask("GET", f"/v1/{path}/{name}"))[0] == 404


async def test_a_voice_that_was_made_has_to_be_ones_own(ann, bob):
    voice = await ann.make("/v1/audio/voices")
    for given, param in (({"id": voice}, "voice.id"), (voice, "voice")):
        body = {"model": "openai/gpt-4o", "input": "x", "voice": given}
        code, answer = await bob.ask("POST", "/v1/audio/speech", body)
        assert (code, answer["error"]["param"]) == (404, param), answer
