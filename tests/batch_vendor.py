"""A vendor that works at batches, as OpenAI does; tests say when one ends, and what came of it."""

from __future__ import annotations

import asyncio
import json
import secrets
import time

from aiohttp import web

from .file_vendor import FileVendor, failure

USAGE = {"prompt_tokens": 1000, "completion_tokens": 500, "total_tokens": 1500}


class BatchVendor(FileVendor):
    """The vendor.

    Attributes:
        breaks: status of the response to the next batch, which is made all the same; 0 for none.
        held: whether downloads of results stay open without an end.
    """

    def forget(self) -> None:
        super().forget()
        self.breaks = 0
        self.held = False

    @property
    def batches(self) -> dict[str, dict]:
        """Those that were made, by id."""
        return self.kept.setdefault("batches", {})

    async def thing(self, request, words, body):
        collection, *rest = words
        if collection == "batches" and request.method == "POST" and not rest:
            return self.batch(body)
        if collection == "batches" and rest[1:] == ["cancel"]:
            self.batches[rest[0]]["status"] = "cancelling"
            return web.json_response(self.batches[rest[0]])
        return await super().thing(request, words, body)

    def batch(self, body):
        if body["input_file_id"] not in self.content:
            return failure(400, "No such file")
        name = "batch_" + secrets.token_hex(12)
        self.batches[name] = {
            "id": name,
            "object": "batch",
            "created_at": int(time.time()),
            "status": "in_progress",
            "output_file_id": None,
            "error_file_id": None,
            **body,
        }
        if self.breaks:
            status, self.breaks = self.breaks, 0
            return failure(status, "It broke.")
        return web.json_response(self.batches[name])

    def lines(self, batch_id):
        """The lines of the file that the vendor got."""
        data = self.content[self.batches[batch_id]["input_file_id"]]
        return [json.loads(line) for line in data.splitlines()]

    def finish(self, batch_id, status="completed", *, failed=()):
        """Ends a batch: each line used `USAGE`, but for those that failed, by their `custom_id`."""
        served, broken = [], []
        for line in self.lines(batch_id):
            is_broken = line["custom_id"] in failed
            body = {"id": "chatcmpl-1", "object": "chat.completion", "usage": USAGE}
            body = {"error": {"message": "no"}} if is_broken else body
            response = {"status_code": 400 if is_broken else 200, "body": body}
            one = {"id": "r", "custom_id": line["custom_id"], "response": response, "error": None}
            (broken if is_broken else served).append(json.dumps(one))
        ends = {"request_counts": {"total": len(served + broken), "completed": len(served)}}
        for name, lines in (("output_file_id", served), ("error_file_id", broken)):
            if lines:
                file = self.make("files", {"purpose": "batch_output"})["id"]
                self.content[file] = "\n".join(lines).encode() + b"\n"
                ends[name] = file
        self.batches[batch_id].update(ends, status=status)

    async def download(self, request, content):
        if self.held and b'"custom_id": "' in content and b'"response"' in content:
            response = web.StreamResponse()
            await response.prepare(request)
            await response.write(content[: len(content) // 2])
            while self.held:  # noqa: ASYNC110 - another thread ends it
                await asyncio.sleep(0.05)
            return response
        return await super().download(request, content)


def line(number, model="gpt-4o", **changes):
    """A line of an input file."""
    body = {"model": model, "messages": [{"role": "user", "content": "hello"}], "max_tokens": 500}
    made = {
        "custom_id": f"task-{number}",
        "method": "POST",
        "url": "/v1/chat/completions",
        "body": body,
    }
    return {**made, **changes}


def jsonl(*lines):
    """The bytes of an input file."""
    return b"".join(
        (text if isinstance(text, bytes) else json.dumps(text).encode()) + b"\n" for text in lines
    )
