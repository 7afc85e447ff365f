"""Uploads on their way to a vendor: bytes as they are, and what is said in them looked at first.

A form is neither held nor kept on disk. As its bytes go by, its fields are read, and what is named
by an id in one has to be the user's own. A piece goes on once all that it ends was looked at, and
the last once all was, so what is refused lacks its end at the vendor, which has got nothing then.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import NamedTuple

from tornado_router.accounts.key_lookup import Key
from tornado_router.calls.passed import resumable
from tornado_router.calls.passed.gate import Gate
from tornado_router.calls.passed.request import PassedRequest
from tornado_router.endpoints.resource_ids import Named, ids_in, ids_in_text, names_an_id
from tornado_router.error_codes import Invalid
from tornado_router.errors import ApiError
from tornado_router.provider import Upload, load_json
from tornado_router.validation.form_watch import FormWatch
from tornado_router.validation.forms import is_form


class CheckedUpload(NamedTuple):
    """What is sent of a request whose body is still to come.

    Attributes:
        body: as it goes to the vendor.
        refused: why it is, once it is: what sends it may have another word for what it raises.
    """

    body: Upload
    refused: list[ApiError]


def checked_upload(request: PassedRequest, key: Key, gate: Gate) -> CheckedUpload:
    """What is sent of a request whose body is still to come.

    Args:
        request: with an upload.
        key: of its sender.
        gate: knows what may be named.

    Raises:
        ApiError: 400 or 415, it is nothing that may be uploaded.
    """
    assert request.upload is not None, "it has one"
    if resumable.is_upload(request.path) and resumable.has_bytes(request.headers):
        request.upload.check()
        return CheckedUpload(
            Upload(request.content_type, request.upload.size, aiter(request.upload)), []
        )
    if not is_form(request.content_type):
        raise Invalid.unsupported_content_type(
            got=request.content_type[:100], expected="application/json' or 'multipart/form-data"
        )
    watch = FormWatch(request.content_type)
    request.upload.check()
    refused: list[ApiError] = []

    async def pieces() -> AsyncIterator[bytes]:
        try:
            async for piece in _pieces(request, watch, key, gate):
                yield piece
        except ApiError as error:
            refused.append(error)
            raise

    return CheckedUpload(Upload(watch.content_type, request.upload.size, pieces()), refused)


async def _pieces(
    request: PassedRequest, watch: FormWatch, key: Key, gate: Gate
) -> AsyncIterator[bytes]:
    assert request.upload is not None, "it has one"
    last = b""
    async for piece in request.upload:
        named = [it for name, text in watch.feed(piece) for it in _named(name, text)]
        if any(map(names_an_id, watch.files)):
            raise Invalid.invalid_form(reason="what has to be an id is a file")
        if named:
            await gate.check(named, key, request.provider, request.path.collection)
        if last:
            yield last
        last = piece
    watch.finish()
    yield last


def _named(name: str, text: str) -> Iterator[Named]:
    """What may be ids in a field of a form: a text, or JSON in one."""
    yield from ids_in_text(text, name, is_field=names_an_id(name))
    yield from ids_in_text(name, name)
    if text.lstrip().startswith(("{", "[", '"')):
        try:
            value = load_json(text.encode())
        except ValueError:
            return
        for item in ids_in(value):
            yield item._replace(param=f"{name}.{item.param}")
