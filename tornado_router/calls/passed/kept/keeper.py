"""Answers requests for files and batches that the router keeps itself, in the place of a vendor."""

from __future__ import annotations

import datetime
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qsl

from tornado_router.calls.passed.kept import batch_rows, file_rows
from tornado_router.calls.passed.kept.file_rows import Part
from tornado_router.calls.passed.kept.names import FILE, KEPT
from tornado_router.calls.passed.kept.objects import batch_object, file_object, list_object
from tornado_router.calls.passed.kept.uploading import PART_BYTES, PURPOSE, FileForm
from tornado_router.config.options import BatchOptions
from tornado_router.error_codes import Invalid, Refusal
from tornado_router.errors import ApiError
from tornado_router.observability.redaction import printable_name
from tornado_router.provider import PassThrough, Upload, write_json
from tornado_router.storage.kept_tables import KeptBatch, KeptFile
from tornado_router.storage.storage import Storage
from tornado_router.storage.values import now

MAX_FILE_BYTES = 200 * 1024 * 1024
"""Of a file: that of a batch has no more at OpenAI."""

JSON, BYTES = "application/json", "application/octet-stream"

_PIECES = 2 * 1024 * 1024
"""Of an upload, so much is written in one transaction."""

_SHOWN = 100


class Answer:
    """A response of the router's own (`UpstreamStream`)."""

    status = 200

    def __init__(self, kind: str, pieces: AsyncIterator[bytes], length: int) -> None:
        self.headers: Mapping[str, str] = {"content-type": kind, "content-length": str(length)}
        self._pieces = pieces

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._pieces

    async def read(self) -> bytes:
        """The whole body."""
        return b"".join([piece async for piece in self._pieces])


class Keeper:
    """What the router keeps of one user (`Source`).

    Args:
        storage: where it is.
        options: `[batches]`.
        user_id: whose it is.
    """

    name = KEPT
    waited = 0.0

    def __init__(self, storage: Storage, options: BatchOptions, user_id: int) -> None:
        self._storage = storage
        self._options = options
        self._user_id = user_id

    @asynccontextmanager
    async def opened(self, request: PassThrough) -> AsyncIterator[Answer]:
        """Answers a request; the response is read inside of it.

        Raises:
            ApiError: it cannot be answered.
        """
        yield await self._answer(request)

    async def read(self, response: Any) -> bytes:
        """The whole body of a response."""
        body: bytes = await response.read()
        return body

    def pieces(self, response: Any) -> AsyncIterator[bytes]:
        """The body of a response as it comes."""
        return aiter(response)

    def headers(self, response: Any) -> dict[str, str]:
        """Headers of a response that reach the client, beside its type and length."""
        return {}

    def content_type(self, response: Any) -> str:
        """The type of a response."""
        kind: str = response.headers["content-type"]
        return kind

    async def batch_object(self, row: KeptBatch) -> dict[str, Any]:
        """A batch as its client sees it."""
        files = await self._storage.run(lambda: batch_rows.file_ids([row]))
        return batch_object(row, files)

    async def check_room(self, size: int = 1) -> int:
        """The bytes that its user may still have kept.

        Args:
            size: bytes that there has to be room for.

        Raises:
            ApiError: 403, there is none.
        """
        user_id, options = self._user_id, self._options
        mine, all_ = await self._storage.run(lambda: (file_rows.used(user_id), file_rows.used()))
        left = min(options.max_bytes_per_user - mine, options.max_bytes - all_)
        if left < size:
            raise Refusal.storage_full(used=mine)
        return left

    async def _answer(self, request: PassThrough) -> Answer:
        _, collection, *words = request.path.split("/")[1:]
        query = dict(parse_qsl(request.query))
        match request.method, collection, words:
            case "GET", "files", []:
                return await self._list_files(query)
            case "POST", "files", []:
                return _json(file_object(await self._keep(request)))
            case "GET", "files", [file_id]:
                return _json(file_object(await self._file(file_id)))
            case "DELETE", "files", [file_id]:
                row = await self._file(file_id)
                await self._storage.run(lambda: file_rows.delete(row.id))
                return _json({"id": file_id, "object": "file", "deleted": True})
            case "GET", "files", [file_id, "content"]:
                row = await self._file(file_id)
                return Answer(BYTES, self._content(row), row.size)
            case "GET", "batches", []:
                return await self._list_batches(query)
            case "GET", "batches", [batch_id]:
                return _json(await self.batch_object(await self._batch(batch_id)))
            case "POST", "batches", [batch_id, "cancel"]:
                await self._batch(batch_id)
                await self._storage.run(lambda: batch_rows.cancel(self._user_id, batch_id))
                return _json(await self.batch_object(await self._batch(batch_id)))
        raise Invalid.unknown_url(method=request.method, path=request.path[:_SHOWN])

    # Files

    async def _keep(self, request: PassThrough) -> KeptFile:
        """Keeps a file that is uploaded.

        Raises:
            ApiError: it cannot be kept.
        """
        upload = request.body
        if not isinstance(upload, Upload):
            raise Invalid.unsupported_content_type(got=JSON, expected="multipart/form-data")
        room = await self.check_room()
        form = FileForm(upload.content_type, MAX_FILE_BYTES)
        name = FILE + secrets.token_hex(12)
        row_id = await self._storage.run(lambda: file_rows.begin(name, self._user_id, PURPOSE))
        try:
            await self._keep_parts(row_id, form, upload, room)
            expires = now() + datetime.timedelta(seconds=self._lifetime(form.fields))
            return await self._storage.run(
                lambda: file_rows.finish(row_id, printable_name(form.name or ""), expires)
            )
        except BaseException:  # also if the client leaves: what came takes room
            await self._storage.run(lambda: file_rows.delete(row_id))
            raise

    async def _keep_parts(self, row_id: int, form: FileForm, upload: Upload, room: int) -> None:
        waiting: list[Part] = []
        held = count = 0
        async for piece in upload.pieces:
            for text in form.feed(piece):
                waiting.append(_part(count, text))
                held += waiting[-1].size
                count += 1
            if form.size > room:
                raise Refusal.storage_full(used=self._options.max_bytes_per_user - room)
            if held >= _PIECES:
                await self._add(row_id, waiting)
                waiting, held = [], 0
        for text in form.finish():
            waiting.append(_part(count, text))
            count += 1
        await self._add(row_id, waiting)

    async def _add(self, row_id: int, parts: list[Part]) -> None:
        await self._storage.run(lambda: file_rows.add(row_id, parts))
        await self.check_room(0)  # others may have come meanwhile

    def _lifetime(self, fields: Mapping[str, str]) -> float:
        """For how many seconds a file is kept, as its form says."""
        name = "expires_after[seconds]"
        given = fields.get(name)
        if given is None:
            return self._options.keep_seconds
        if not (given.isascii() and given.isdecimal() and len(given) < 12 and int(given) > 0):
            raise Invalid.invalid_value(f"'{name}' must be a number of seconds.", param=name)
        return min(float(given), self._options.keep_seconds)

    async def _file(self, file_id: str) -> KeptFile:
        row = await self._storage.run(lambda: file_rows.find(self._user_id, file_id))
        if row is None:
            raise _not_there("File", file_id)
        return row

    async def _content(self, row: KeptFile) -> AsyncIterator[bytes]:
        last = -1
        while True:
            after = last
            parts = await self._storage.run(
                lambda: file_rows.some_parts(row.id, after, PART_BYTES)  # noqa: B023 - run now
            )
            if not parts:
                return
            last = parts[-1][0]
            yield "".join(text for _, text in parts).encode()

    async def _list_files(self, query: Mapping[str, str]) -> Answer:
        limit, ascending = int(query["limit"]), query.get("order") == "asc"
        rows = await self._storage.run(
            lambda: file_rows.page(
                self._user_id,
                query.get("after", ""),
                limit + 1,
                query.get("purpose", ""),
                ascending=ascending,
            )
        )
        items = [file_object(row) for row in rows[:limit]]
        return _json(list_object(items, has_more=len(rows) > limit))

    # Batches

    async def _batch(self, batch_id: str) -> KeptBatch:
        row = await self._storage.run(lambda: batch_rows.find(self._user_id, batch_id))
        if row is None:
            raise _not_there("Batch", batch_id)
        return row

    async def _list_batches(self, query: Mapping[str, str]) -> Answer:
        limit = int(query["limit"])

        def find() -> tuple[list[KeptBatch], dict[int, str]]:
            rows = batch_rows.page(self._user_id, query.get("after", ""), limit + 1)
            return rows, batch_rows.file_ids(rows)

        rows, files = await self._storage.run(find)
        items = [batch_object(row, files) for row in rows[:limit]]
        return _json(list_object(items, has_more=len(rows) > limit))


def _part(number: int, text: str) -> Part:
    return Part(number, text, len(text.encode()))


def _json(value: Mapping[str, Any]) -> Answer:
    body = write_json(value)

    async def pieces() -> AsyncIterator[bytes]:
        yield body

    return Answer(JSON, pieces(), len(body))


def _not_there(what: str, name: str) -> ApiError:
    return Refusal.resource_not_found(what=what, id=printable_name(name)[:_SHOWN], param="id")
