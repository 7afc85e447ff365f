"""A vendor that keeps things under ids, as OpenAI does, for every user of one account alike.

It looks for no owner: whoever has the account's key gets whatever they name. `FileVendor` runs it
in a thread of its own; tests look at what it was sent, and at what it has.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import threading
from urllib.parse import unquote

from aiohttp import web

KEY = "sk-vendor-files-3f1c9a7e"

PREFIXES = {
    "files": ("file-", "file"),
    "uploads": ("upload_", "upload"),
    "vector_stores": ("vs_", "vector_store"),
    "conversations": ("conv_", "conversation"),
    "containers": ("cntr_", "container"),
    "evals": ("eval_", "eval"),
    "jobs": ("ftjob-", "fine_tuning.job"),
    "videos": ("video_", "video"),
    "skills": ("skill_", "skill"),
    "assistants": ("asst_", "assistant"),
    "threads": ("thread_", "thread"),
    "batches": ("msgbatch_", "message_batch"),
    "completions": ("chatcmpl-", "chat.completion"),
    "agents": ("agent_", "agent"),
    "vaults": ("vault_", "vault"),
    "voices": ("voice_", "audio.voice"),
    "voice_consents": ("cons_", "audio.voice_consent"),
}
NESTED = {"runs": "run_", "messages": "msg_", "items": "item_", "parts": "part_"}


class FileVendor:
    """The vendor, and all that it keeps.

    Attributes:
        url: of its API, with `/v1`.
        seen: the requests that it got, each as method, path, query, headers and body.
        kept: the things that it keeps, by collection and id, the oldest first.
        content: the bytes of files, by id.
        taken: bytes of uploads that came so far.
    """

    def __init__(self) -> None:
        self.forget()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def forget(self) -> None:
        """Begins anew."""
        self.seen: list[dict] = []
        self.kept: dict[str, dict[str, dict]] = {}
        self.content: dict[str, bytes] = {}
        self.taken = self.broken = self.sent = 0
        self.next_id = ""

    def __enter__(self) -> FileVendor:
        self._thread.start()
        assert self._ready.wait(30)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _run(self) -> None:
        self._loop = asyncio.new_event_loop()
        app = web.Application(client_max_size=2**30)
        app.router.add_route("*", "/{path:.*}", self.serve)
        runner = web.AppRunner(app)
        self._loop.run_until_complete(runner.setup())
        site = web.TCPSite(runner, "127.0.0.1", 0)
        self._loop.run_until_complete(site.start())
        self.port = runner.addresses[0][1]
        self.origin = f"http://127.0.0.1:{self.port}"
        self.url = f"{self.origin}/v1"
        self._ready.set()
        self._loop.run_forever()
        self._loop.run_until_complete(runner.cleanup())
        self._loop.close()

    # -- what it serves -----------------------------------------------------------------------

    async def serve(self, request: web.Request) -> web.StreamResponse:
        path = [unquote(part) for part in request.raw_path.partition("?")[0].split("/")[1:]]
        note = {
            "method": request.method,
            "path": request.raw_path.partition("?")[0],
            "query": dict(request.query),
            "headers": dict(request.headers),
            "body": b"",
        }
        self.seen.append(note)
        given = request.headers.get("Authorization") or request.headers.get("x-api-key", "")
        given = given or request.headers.get("x-goog-api-key", "")
        if "leak" in request.query:
            return failure(int(request.query["leak"]), f"You sent {given}")
        if given.removeprefix("Bearer ") != KEY:
            return failure(401, f"Incorrect API key provided: {given}")
        words = path[1:]
        if request.content_type.startswith("multipart/"):
            return await self.upload(request, words, note)
        note["body"] = await request.read()
        body = json.loads(note["body"]) if note["body"] else {}
        if words[:1] == ["fine_tuning"]:
            words = words[1:]
        if words[:2] == ["messages", "batches"]:
            words = words[1:]
        return await self.thing(request, words, body)

    async def thing(self, request, words, body):
        collection, *rest = words
        if collection == "messages":
            return self.message(body)
        if collection == "responses":
            return self.response(body)
        if words == ["chat", "completions"] and request.method == "POST":
            return await self.chat(request, body)
        if collection in ("chat", "audio"):  # what is kept of these is a word further on
            return await self.thing(request, rest, body)
        if "echo" in request.query:
            return web.json_response({"id": "", "object": "list", "data": [], "sent": KEY})
        if collection not in PREFIXES:
            return failure(404, f"Invalid URL ({request.method} {request.path})")
        if not rest or (collection, rest) == ("threads", ["runs"]):
            if request.method == "GET":
                return self.page(collection, request.query)
            if rest:
                return await self.run(request, body)
            return web.json_response(self.make(collection, body))
        there = self.kept.setdefault(collection, {}).get(rest[0])
        if there is None:
            return failure(404, f"No such {collection} object: {rest[0]}")
        if len(rest) == 1 and request.method == "DELETE":
            del self.kept[collection][rest[0]]
            return web.json_response({"id": rest[0], "object": "deleted", "deleted": True})
        if len(rest) == 1:
            if request.method == "POST":
                there.update(body)
            return web.json_response(there)
        if rest[1] == "content":
            return await self.download(request, self.content.get(rest[0], b""))
        if rest[1] == "complete":
            file = self.make("files", {"filename": "whole"})
            return web.json_response({**there, "status": "completed", "file": file})
        return self.inside(request, there, rest, body)

    def inside(self, request, there, rest, body):
        inner = there.setdefault(f"_{rest[1]}", [])
        if request.method == "POST" and len(rest) == 2:
            prefix = NESTED.get(rest[1], "in_")
            made = {"id": prefix + secrets.token_hex(12), "object": f"x.{rest[1]}", **body}
            inner.append(made)
            return web.json_response(made)
        if len(rest) == 2:
            return web.json_response({"object": "list", "data": inner, "has_more": False})
        found = [item for item in inner if item["id"] == rest[2]]
        return web.json_response(found[0]) if found else failure(404, f"No such: {rest[2]}")

    def make(self, collection, body, **more):
        prefix, kind = PREFIXES[collection]
        name = self.next_id or prefix + secrets.token_hex(12)
        made = {"id": name, "object": kind, "created_at": 1, **body, **more}
        self.kept.setdefault(collection, {})[name] = made
        return made

    def page(self, collection, query):
        items = list(self.kept.get(collection, {}).values())
        if query.get("order", "desc") == "desc":
            items.reverse()
        if "purpose" in query:
            items = [item for item in items if item.get("purpose") == query["purpose"]]
        ids = [item["id"] for item in items]
        limit = int(query.get("limit", 20))
        after = query.get("after") or query.get("after_id")
        before = query.get("before") or query.get("before_id")
        if after:
            items = items[ids.index(after) + 1 :]
        if before:
            end = ids.index(before)
            shown, more = items[max(0, end - limit) : end], end > limit
        else:
            shown, more = items[:limit], len(items) > limit
        return web.json_response(
            {
                "object": "list",
                "data": shown,
                "first_id": shown[0]["id"] if shown else None,
                "last_id": shown[-1]["id"] if shown else None,
                "has_more": more,
            }
        )

    async def run(self, request, body):
        thread = self.make("threads", {})
        run = {"id": "run_" + secrets.token_hex(12), "object": "thread.run"}
        run |= {"thread_id": thread["id"]}
        if not body.get("stream"):
            return web.json_response(run)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for name, data in (("thread.created", thread), ("thread.run.created", run)):
            await response.write(f"event: {name}\ndata: {json.dumps(data)}\n\n".encode())
        await response.write(b"event: done\ndata: [DONE]\n\n")
        return response

    def message(self, body):
        usage = {"input_tokens": 11, "output_tokens": 7}
        made = {"id": "msg_1", "type": "message", "role": "assistant", "content": []}
        return web.json_response({**made, "model": body.get("model"), "usage": usage})

    def response(self, body):
        text = {"type": "output_text", "text": "Hi.", "annotations": []}
        item = {"id": "msg_" + secrets.token_hex(12), "type": "message", "role": "assistant"}
        item |= {"status": "completed", "content": [text]}
        output = [item]
        if "code_interpreter" in str(body.get("tools")):
            container = self.make("containers", {})["id"]
            ran = {"id": "ci_1", "type": "code_interpreter_call", "status": "completed"}
            output.insert(0, {**ran, "code": "1", "outputs": None, "container_id": container})
        made = {"id": "resp_" + secrets.token_hex(12), "object": "response", "created_at": 1}
        made |= {"status": "completed", "model": body["model"], "output": output}
        usage = {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2}
        return web.json_response({**made, "usage": usage})

    async def chat(self, request, body):
        """A chat completion, which is kept if it is to be stored."""
        message = {"role": "assistant", "content": "Hi."}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
        made = {"created": 1, "choices": [choice], "model": body["model"], "usage": usage}
        if body.get("store"):
            made = self.make("completions", made)
        else:
            made |= {"id": "chatcmpl-1", "object": "chat.completion"}
        if not body.get("stream"):
            return web.json_response(made)
        choice = {"index": 0, "delta": message, "finish_reason": "stop"}
        chunk = {**made, "object": "chat.completion.chunk", "choices": [choice]}
        text = f"data: {json.dumps(chunk)}\n\ndata: [DONE]\n\n"
        return web.Response(text=text, content_type="text/event-stream")

    async def upload(self, request, words, note):
        """Takes a form; nothing is made of one that does not come to its end."""
        body = bytearray()
        try:
            async for piece in request.content.iter_chunked(65536):
                self.taken += len(piece)
                if len(body) < 2**20:
                    body += piece
        except ConnectionError:
            self.broken += 1
            return failure(400, "The form is not whole.")
        note["body"] = bytes(body)
        made = self.make(words[0], {"purpose": "user_data", "bytes": self.taken})
        start = body.find(b"\r\n\r\n", body.find(b'name="file"')) + 4
        self.content[made["id"]] = bytes(body[start : body.find(b"\r\n--", start)])
        return web.json_response(made)

    async def download(self, request, content):
        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(len(content))}
        headers |= {"X-Vendor-Account": "acct-secret", "Set-Cookie": "vendor=1"}
        headers |= {"Content-Disposition": 'attachment; filename="f"', "ETag": '"e"'}
        response = web.StreamResponse(headers=headers)
        await response.prepare(request)
        for start in range(0, len(content), 65536):
            await response.write(content[start : start + 65536])
            self.sent += 65536
        return response


def failure(status, message):
    error = {"message": message, "type": "invalid_request_error", "param": None, "code": None}
    return web.json_response({"error": error}, status=status)
