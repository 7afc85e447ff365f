"""The story of a batch that is submitted: file, lines, owners, money, vendor."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from functools import partial
from typing import Any

from loguru import logger

from tornado_router.background.supervisor import start_task
from tornado_router.calls.account import CallAccount
from tornado_router.calls.passed.batches import rows
from tornado_router.calls.passed.batches.lines import BATCHED, CheckedLine, LineCheck
from tornado_router.calls.passed.batches.money import BatchMoney
from tornado_router.calls.passed.batches.reading import Reading
from tornado_router.calls.passed.batches.rows import Submitted
from tornado_router.calls.passed.batches.vendor_files import (
    ACCEPT,
    PATH,
    object_in,
    sent,
)
from tornado_router.calls.passed.gate import Gate
from tornado_router.calls.passed.kept.submission import KeptSubmission
from tornado_router.calls.passed.request import PassedRequest
from tornado_router.calls.passed.vendor import PIECE_BYTES, Source
from tornado_router.calls.resource_rows import Owner
from tornado_router.endpoints import Endpoint
from tornado_router.error_codes import Failure, Invalid
from tornado_router.errors import ApiError
from tornado_router.observability.redaction import printable_name
from tornado_router.provider import PassThrough, Upload, replace_fields
from tornado_router.routing.routes import Router, Target
from tornado_router.storage.storage import Storage
from tornado_router.validation import Validator

SENDING_SECONDS = 900.0
"""After so long it is looked for at the vendor what became of a batch that was sent."""


class Submission:
    """One batch that is submitted.

    Args:
        request: to submit it.
        account: of that.
        source: that keeps the input file, and gets the batch.
        storage: where it is noted.
        gate: knows what may be named.
        router: knows the names of models.
        validators: of lines, by endpoint.
        money: holds what it may cost.
        max_values: of the JSON in a line.
        seconds: after which the vendor is asked for it.
        kept: takes its lines, if the router runs it itself.
    """

    def __init__(
        self,
        request: PassedRequest,
        account: CallAccount,
        source: Source,
        *,
        storage: Storage,
        gate: Gate,
        router: Router,
        validators: Mapping[str, Validator],
        money: BatchMoney,
        max_values: int | None,
        seconds: float,
        kept: KeptSubmission,
    ) -> None:
        self._request = request
        self._account = account
        self._key = account.envelope.key
        self._owner = Owner(self._key.user_id, self._key.id, request.provider)
        self._source = source
        self._storage = storage
        self._gate = gate
        self._router = router
        self._validators = validators
        self._money = money
        self._max_values = max_values
        self._seconds = seconds
        self._kept = kept
        self._size = self._cost = 0

    async def run(self) -> bytes:
        """Submits it; returns the JSON of the batch, for the client.

        Raises:
            ApiError: it is refused, or failed.
        """
        endpoint, file = asked(self._request.json)
        reading = self._reading(endpoint, file)
        try:
            check = await reading.read(self._take)
            if self._kept.has_begun:
                return await self._kept.start()
        except BaseException:
            await self._kept.drop()
            raise
        assert check.target is not None, "it has a line"
        batch = Submitted(
            self._owner, endpoint.name, check.model, check.target.model, file, self._cost
        )
        row_id = await self._money.begin(self._account.call, self._key, batch, SENDING_SECONDS)
        name = file
        try:
            if check.renames:
                name = await self._upload(reading)
                own = name
                taken = await self._storage.run(lambda: rows.use_file(row_id, self._owner, own))
                self._refuse_taken(taken)
        except ApiError:
            await self._money.drop(row_id, self._key.user_id)
            raise
        except asyncio.CancelledError:  # its client has left
            start_task("batch that is not sent", self._money.drop(row_id, self._key.user_id))
            raise
        return await self._send(row_id, name, file)

    def _reading(self, endpoint: Endpoint, file: str) -> Reading:
        return Reading(
            self._source,
            self._request.provider,
            file,
            endpoint=endpoint,
            key=self._key,
            gate=self._gate,
            validator=self._validators[endpoint.name],
            find=partial(self._find, endpoint),
            max_values=self._max_values,
        )

    async def _take(self, line: CheckedLine, check: LineCheck) -> None:
        """Takes a line that may be sent: it is kept, or adds to what the batch may cost."""
        if check.target is None:
            if not self._kept.has_begun:
                if self._key.purses:
                    self._money.check_priced(check.model, self._router.served(check.model))
                await self._kept.begin(line.call.endpoint, check.model)
            await self._kept.add(line.number, line.data.rstrip())
            return
        self._size += len(line.data)
        if self._key.purses:
            self._cost += self._money.estimate(line.call, check.target)

    def _find(self, endpoint: Endpoint, model: str) -> Target | None:
        """The target of a model at the provider that keeps the file; None for the router itself.

        Raises:
            ApiError: 404, there is none.
        """
        served = self._router.served(model)
        for target in served:
            if target.provider == self._request.provider:
                return target
        if served and self._kept.is_on:
            self._router.route(model, endpoint.name)
            return None
        if served:
            raise Invalid.invalid_value(
                f"The model {printable_name(model)!r} is not one of the provider "
                f"'{self._request.provider}', which keeps the input file.",
                param="model",
            )
        raise Invalid.model_not_found(model=printable_name(model))

    async def _upload(self, reading: Reading) -> str:
        """Has the vendor keep the input file with its own name of the model; returns its id.

        Raises:
            ApiError: it failed.
        """
        boundary = secrets.token_hex(16)
        head, tail = _form(boundary)
        pieces = self._form_pieces(head, reading, tail)
        upload = Upload(
            f"multipart/form-data; boundary={boundary}",
            len(head) + self._size + len(tail),
            pieces,
        )
        async with aclosing(pieces):
            body = await sent(self._source, PassThrough("POST", "/v1/files", "", ACCEPT, upload))
        return _id_of(body, self._request.provider)

    async def _form_pieces(
        self, head: bytes, reading: Reading, tail: bytes
    ) -> AsyncGenerator[bytes, None]:
        waiting, size = bytearray(head), 0
        async with aclosing(reading.lines(reading.check())) as lines:
            async for line in lines:
                waiting += line.data
                size += len(line.data)
                if len(waiting) >= PIECE_BYTES:
                    yield bytes(waiting)
                    waiting.clear()
        if size != self._size:
            raise Failure.bad_provider_answer("The vendor's copy of the input file has changed.")
        yield bytes(waiting + tail)

    async def _send(self, row_id: int, name: str, file: str) -> bytes:
        """Has the vendor make the batch. Where it is not known whether it did, that is looked up.

        Raises:
            ApiError: it refused, or failed.
        """
        raw = self._request.raw
        if name != file:
            raw = replace_fields(raw, {"input_file_id": name})
        request = PassThrough("POST", PATH, "", self._request.forwarded(), raw)
        try:
            async with self._source.opened(request) as response:
                given = await self._source.read(response)
        except ApiError as error:
            if error.status < 500:
                await self._money.drop(row_id, self._key.user_id)
            raise
        finally:
            self._account.attempts.waited = self._source.waited
        body = object_in(given, self._request.provider)
        made = _id_of(body, self._request.provider)
        owner = self._owner
        taken = await self._storage.run(lambda: rows.made(row_id, owner, made, self._seconds))
        self._refuse_taken(taken)
        return replace_fields(given, {"input_file_id": file}) if name != file else given

    def _refuse_taken(self, taken: set[str]) -> None:
        if taken:
            provider = self._request.provider
            logger.error("{} gave an id to a second user: {}", provider, printable_name(min(taken)))
            raise Failure.bad_provider_answer(
                f"The provider '{provider}' gave an id that it gave before."
            )


def is_submission(request: PassedRequest) -> bool:
    """Whether a request submits a batch in OpenAI's form, by whatever path."""
    path = request.path
    return request.method == "POST" and path.collection == "batches" and not path.owned


def asked(body: Any) -> tuple[Endpoint, str]:
    """The endpoint of a batch's lines, and its input file.

    Raises:
        ApiError: 400, the request does not say, or names another endpoint.
    """
    if not isinstance(body, dict):
        raise Invalid.invalid_type(
            place="the body", expected="an object", got="another value", param=None
        )
    for name in ("input_file_id", "endpoint"):
        if name not in body:
            raise Invalid.missing_required_parameter(param=name)
        if not isinstance(body[name], str) or not body[name]:
            raise Invalid.invalid_type(
                place=f"'{name}'", expected="a string", got="another value", param=name
            )
    endpoint = BATCHED.get(body["endpoint"])
    if endpoint is None:
        paths = ", ".join(BATCHED)
        raise Invalid.invalid_value(f"'endpoint' must be one of {paths}.", param="endpoint")
    return endpoint, body["input_file_id"]


def _form(boundary: str) -> tuple[bytes, bytes]:
    """What stands before and behind a file in the form that uploads it."""
    head = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nbatch\r\n'
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; '
        'filename="batch.jsonl"\r\nContent-Type: application/jsonl\r\n\r\n'
    )
    return head.encode(), f"\r\n--{boundary}--\r\n".encode()


def _id_of(body: Mapping[str, Any], provider: str) -> str:
    found = body.get("id")
    if not isinstance(found, str) or not found:
        raise Failure.bad_provider_answer(f"The provider '{provider}' sent no id.")
    return found
