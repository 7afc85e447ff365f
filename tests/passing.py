"""Two users of one router, who share a vendor's account; see `file_vendor`."""

from __future__ import annotations

import asyncio
import inspect
import json
import time

from tornado_router.accounts import keys, registration
from tornado_router.accounts.permissions import Permissions
from tornado_router.accounts.plans import UNLIMITED
from tornado_router.storage.tables import User

from .batch_vendor import jsonl
from .support import DEADLINE

BOUNDARY = "xyzBoundary7"


class Person:
    """A user of the router."""

    def __init__(self, app, name, http_client, base_url):
        def make():
            row = registration.create_user(
                app.services.serving.plans, f"{name}@example.com", actor="test", plan=UNLIMITED
            )
            return row.id, keys.create_key(row, "key")

        self.app = app
        self.id, self.key = app.storage.call(make)
        self._client = http_client
        self._url = base_url

    def key_with(self, endpoints=None, models=None, **columns):
        """One more key of this user."""
        permissions = Permissions(models, endpoints).dump()

        def make():
            row = User.get_by_id(self.id)
            return keys.create_key(row, "more", permissions=permissions, **columns)

        return self.app.storage.call(make)

    async def ask(self, method, path, body=None, headers=None, key=None, raw=False):
        """A request; returns its status and its body."""
        data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        given = {"Authorization": f"Bearer {key or self.key}"}
        if data is not None:
            given["Content-Type"] = "application/json"
        response = await self._client.fetch(
            self._url + path,
            method=method,
            body=data,
            headers={**given, **(headers or {})},
            raise_error=False,
            allow_nonstandard_methods=True,
            follow_redirects=False,
        )
        if raw:
            return response
        return response.code, json.loads(response.body) if response.body else None

    async def make(self, path, body=None):
        """The id of what is made."""
        code, made = await self.ask("POST", path, body or {})
        assert code == 200, made
        return made["id"]

    async def upload(self, content=b"hello", path="/v1/files", fields=(("purpose", "user_data"),)):
        """Uploads a file by a form; returns the status and the body."""
        headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
        return await self.ask("POST", path, form(content, fields), headers)


def form(content=b"hello", fields=(("purpose", "user_data"),), boundary=BOUNDARY):
    """The bytes of a form with a file."""
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{text}\r\n'
        for name, text in fields
    ]
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n'
    head += "Content-Type: text/plain\r\n\r\n"
    return "".join(parts).encode() + head.encode() + content + f"\r\n--{boundary}--\r\n".encode()


def upload_head(person, size, path="/v1/files", method="POST"):
    """The head of an upload, or of a download."""
    length = f"Content-Length: {size}\r\n" if size is not None else "Transfer-Encoding: chunked\r\n"
    return (
        f"{method} {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {person.key}\r\n"
        f"Content-Type: multipart/form-data; boundary={BOUNDARY}\r\n{length}\r\n"
    ).encode()


async def connected(port):
    """Reader and writer of a connection to the router."""
    return await asyncio.open_connection("127.0.0.1", port)


async def eventually(ask):
    """What is true at last."""
    end = time.monotonic() + DEADLINE
    while True:
        found = ask()
        if inspect.isawaitable(found):
            found = await found
        if found:
            return found
        assert time.monotonic() < end, "it never came"
        await asyncio.sleep(0.05)


async def submit(person, *lines, key=None, path="/v1/batches", **more):
    """Uploads the input file of a batch, and submits it; returns the status and the body."""
    _, file = await person.upload(jsonl(*lines), fields=(("purpose", "batch"),))
    body = {
        "input_file_id": file["id"],
        "endpoint": "/v1/chat/completions",
        "completion_window": "24h",
        **more,
    }
    return await person.ask("POST", path, body, key=key)
