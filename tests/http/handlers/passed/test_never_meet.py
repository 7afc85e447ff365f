"""Two users of one account never meet, whatever one of them tries."""

import json
import os
import random
from urllib.parse import quote

import pytest

from tornado_router.storage.kept_tables import KeptBatch, KeptFile, KeptPart

from ....batch_vendor import jsonl, line
from ....passing import eventually

pytestmark = pytest.mark.gen_test(timeout=300)

COLLECTIONS = (
    *("files", "vector_stores", "threads", "assistants", "conversations", "containers"),
    *("evals", "fine_tuning/jobs", "videos", "skills", "uploads"),
)
ROUNDS = int(os.environ.get("TEST_FUZZ_EXAMPLES", "5")) * 60
SEED = int(os.environ.get("TEST_FUZZ_SEED", "0"))
SECRET = "only ann may read this"


def spelt(rng, name):
    """An id as an attacker may write it in a path."""
    return rng.choice(
        [
            lambda: name,
            lambda: quote(name, safe=""),
            lambda: "".join(f"%{ord(letter):02x}" for letter in name),
            lambda: "".join(f"%25{ord(letter):02X}" for letter in name),
            lambda: f"x/../{name}",
            lambda: f"%2e%2e/files/{name}",
            lambda: f"./{name}",
            lambda: f"/{name}",
            lambda: f"{name}/",
            lambda: f"{name}%00",
            lambda: f"{name}%23x",
            lambda: f"{name}%3fx=y",
            lambda: f"{name};a=b",
            name.upper,
            lambda: f"x%2f{name}",
        ]
    )()


def wrapped(rng, name):
    """An id somewhere in JSON."""
    value = rng.choice([name, f" {name} ", f"\t{name}\n", f"https://x/v1/files/{name}/content"])
    for _ in range(rng.randrange(5)):
        value = rng.choice([[value], [1, value, None], {rng.choice(FIELDS): value}, {name: value}])
    return value if isinstance(value, dict) else {rng.choice(FIELDS): value}


FIELDS = (
    *("file_id", "file_ids", "vector_store_ids", "metadata", "attributes", "x", "training_file"),
    *("messages", "tool_resources", "input_reference", "id", "name", "container", "thread"),
)
TAILS = ("", "/content", "/files", "/messages", "/runs", "/cancel", "/x", "/items", "/complete")


def tries(rng, theirs, own, collections=COLLECTIONS):
    """One attempt: method, path, body and headers."""
    name, collection = rng.choice(theirs), rng.choice(collections)
    method = rng.choice(["GET", "GET", "POST", "DELETE", "PUT", "PATCH"])
    mine = rng.choice(own)
    path = rng.choice(
        [
            lambda: f"/v1/{collection}/{spelt(rng, name)}{rng.choice(TAILS)}",
            lambda: f"/v1/{mine[0]}/{mine[1]}{rng.choice(TAILS)}/{spelt(rng, name)}",
            lambda: f"/v1/{collection}?{rng.choice(['after', 'before', 'x', 'limit'])}={name}",
            lambda: f"/v1/{collection}?limit={rng.randrange(1, 5)}&order=asc",
            lambda: f"/v1/{mine[0]}/{mine[1]}",
            lambda: f"/v1/{collection}",
            lambda: f"/claude/v1/{collection}/{spelt(rng, name)}",
            lambda: f"/claude/v1/{collection}",
            lambda: f"/v1/{collection}/{mine[1]}/../{name}",
        ]
    )()
    body = None
    if method in ("POST", "PUT", "PATCH"):
        body = wrapped(rng, name) if rng.random() < 0.8 else {"name": "mine"}
    headers = rng.choice(
        [
            {},
            {"X-HTTP-Method-Override": "GET", "X-Original-URL": f"/v1/files/{name}"},
            {"OpenAI-Organization": name, "Idempotency-Key": "same", "Range": f"bytes={name}"},
            {"X-Api-Key": "sk-other", "anthropic-version": "2023-06-01"},
        ]
    )
    return method, path, body, headers


async def test_whatever_one_tries_the_other_is_not_met(ann, bob, file_vendor):
    rng, theirs, own = random.Random(SEED), [], []
    for collection in COLLECTIONS:
        if collection == "files":
            theirs.append((await ann.upload(SECRET.encode()))[1]["id"])
            own.append((collection, (await bob.upload(b"of bob"))[1]["id"]))
        else:
            body = {"name": SECRET}
            theirs.append((await ann.ask("POST", f"/v1/{collection}", body))[1]["id"])
            own.append((collection, await bob.make(f"/v1/{collection}", {"name": "of bob"})))
    theirs.append((await ann.upload(SECRET.encode()))[1]["id"])
    kept = {name: it for all_ in file_vendor.kept.values() for name, it in all_.items()}
    kept = {name: json.dumps(kept[name]) for name in theirs}
    for number in range(ROUNDS):
        method, path, body, headers = tries(rng, theirs, own)
        file_vendor.seen.clear()
        response = await bob.ask(method, path, body, headers, raw=True)
        shown = f"attempt {number}: {method} {path} {body} {headers}: {response.code}"
        assert response.code != 500, shown
        assert SECRET.encode() not in response.body, shown
        if response.code < 400:
            assert not [name for name in theirs if name.encode() in response.body], shown
        for seen in file_vendor.seen:  # of headers, those that go on may hold any text
            said = f"{seen['path']} {seen['query']} {seen['body']!r}".lower()
            cursors = ("after", "before")  # of the vendor's own pages
            said = said if not set(cursors) & set(seen["query"]) else seen["path"]
            assert not [name for name in theirs if name.lower() in said], f"{shown} sent {said}"
        for name in theirs:
            there = next(all_[name] for all_ in file_vendor.kept.values() if name in all_)
            assert json.dumps(there) == kept[name], shown
    for name in theirs:
        collection = next(it for it, all_ in file_vendor.kept.items() if name in all_)
        path = "fine_tuning/jobs" if collection == "jobs" else collection
        assert (await ann.ask("GET", f"/v1/{path}/{name}"))[0] == 200


KEPT = ("files", "batches")
BY_ROUTER = {
    "router.toml": """
    [batches]
    by_router = true
    [providers.echo]
    type = "echo"
    models = ["echo"]
    [prices."echo/*"]
    input = 1
    output = 1
    """
}


async def submitted(person, text):
    """The ids of a file, of its batch's results, and of the batch, once that has ended."""
    body = {"model": "echo", "messages": [{"role": "user", "content": text}]}
    _, file = await person.upload(jsonl(line(1) | {"body": body}), fields=(("purpose", "batch"),))
    asked = {"input_file_id": file["id"], "endpoint": "/v1/chat/completions"}
    code, batch = await person.ask("POST", "/v1/batches", {**asked, "completion_window": "24h"})
    assert code == 200, batch

    async def ended():
        _, found = await person.ask("GET", f"/v1/batches/{batch['id']}")
        return found if found["status"] == "completed" else None

    done = await eventually(ended)
    return [file["id"], done["output_file_id"], batch["id"]]


def kept_of(app, user_id):
    """All that is kept of a user."""

    def read():
        files = list(KeptFile.select().where(KeptFile.user_id == user_id).dicts())
        parts = KeptPart.select().where(KeptPart.kept_id << [it["id"] for it in files]).dicts()
        return [
            files,
            list(parts),
            list(KeptBatch.select().where(KeptBatch.user_id == user_id).dicts()),
        ]

    return app.storage.call(read)


@pytest.mark.parametrize("app_files", [BY_ROUTER], ids=["by the router"])
async def test_nor_by_what_the_router_keeps_itself(app, ann, bob):
    rng = random.Random(SEED)
    theirs, mine = await submitted(ann, SECRET), await submitted(bob, "of bob")
    assert SECRET in str(kept_of(app, ann.id))
    kept = kept_of(app, ann.id)
    served = 0
    for number in range(ROUNDS):
        own = [("files", mine[0]), ("files", mine[1]), ("batches", mine[2])]
        method, path, body, headers = tries(rng, theirs, own, KEPT)
        if number % 3 == 0:  # the one field by which something is had of another thing
            method, path = "POST", "/v1/batches"
            window = {"endpoint": "/v1/chat/completions", "completion_window": "24h"}
            body = {"input_file_id": rng.choice(theirs), **window}
        response = await bob.ask(method, path, body, headers, raw=True)
        shown = f"attempt {number}: {method} {path} {body} {headers}: {response.code}"
        assert response.code < 500, shown
        assert SECRET.encode() not in response.body, shown
        if response.code < 400:
            served += 1
            assert not [name for name in theirs if name.encode() in response.body], shown
        if method == "DELETE" and response.code == 200:
            mine = await submitted(bob, "of bob")
    assert kept_of(app, ann.id) == kept
    assert served > ROUNDS / 20
    for path in (f"files/{theirs[0]}", f"files/{theirs[1]}/content", f"batches/{theirs[2]}"):
        assert (await ann.ask("GET", f"/v1/{path}", raw=True)).code == 200
