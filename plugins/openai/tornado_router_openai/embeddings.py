"""Embeddings: what was asked for is what comes, whatever the vendor makes of the request.

Clients ask for base64 and read whatever comes as that (openai-node always does), so numbers in its
place are garbage to them: https://platform.openai.com/docs/api-reference/embeddings.
"""

from __future__ import annotations

import struct
from binascii import a2b_base64, b2a_base64
from typing import TYPE_CHECKING, Any

from tornado_router.provider import Body, Call, ProviderError, Relayed, UpstreamResponse, bad_answer
from tornado_router_openai.relay import Relay

if TYPE_CHECKING:
    from tornado_router_openai.provider import OpenAIProvider

_FLOAT_BYTES = 4


class Embeddings(Relay):
    """The endpoint."""

    def __init__(self, provider: OpenAIProvider) -> None:
        super().__init__(provider, "/embeddings", "data")

    def parse_response(self, call: Call, response: UpstreamResponse) -> Body:
        """The vendor's bytes, if they hold a vector for each input, as the client wants them.

        Vectors of another format or order are put right; others are the vendor's fault.
        """
        made = super().parse_response(call, response)
        if not isinstance(made, Relayed):
            return made
        items = made.body["data"]
        if not isinstance(items, list) or len(items) != _count(call.body["input"]):
            raise self._fault("number of vectors")
        data = self._in_order(items)
        base64 = call.body.get("encoding_format") == "base64"
        dimensions = call.body.get("dimensions")
        for index, item in enumerate(data):
            vector = self._vector(item.get("embedding"), base64, dimensions)
            if vector is not item["embedding"]:
                data[index] = {**item, "embedding": vector}
        if all(new is old for new, old in zip(data, items, strict=True)):
            return made
        return {**made.body, "data": data}

    def _in_order(self, items: list[Any]) -> list[dict[str, Any]]:
        """The vectors in the order of the inputs; a vendor that states no index keeps that."""
        indices: list[Any] = []
        for item in items:
            if not isinstance(item, dict):
                raise self._fault("vectors")
            indices.append(item.get("index"))
        wanted = list(range(len(items)))
        if indices == wanted or all(index is None for index in indices):
            return items[:]
        if not all(type(index) is int for index in indices) or sorted(indices) != wanted:
            raise self._fault("indices")
        return sorted(items, key=lambda item: int(item["index"]))

    def _vector(self, vector: Any, base64: bool, dimensions: int | None) -> Any:
        """A vector in the format that was asked for."""
        made = vector
        try:
            if isinstance(vector, str):
                length = _length(vector)
                if not base64:
                    made = list(struct.unpack(f"<{length}f", a2b_base64(vector, strict_mode=True)))
            else:
                sum(vector)  # raises for what is not a number: the cheapest look at all of them
                length = len(vector)
                if base64:
                    data = struct.pack(f"<{length}f", *vector)
                    made = b2a_base64(data, newline=False).decode()
        except (ValueError, TypeError, OverflowError, struct.error):
            raise self._fault("vectors") from None
        if not length or dimensions not in (None, length):
            raise self._fault("length of vectors")
        return made

    def _fault(self, what: str) -> ProviderError:
        name = self._provider.name
        return bad_answer(f"The response of the provider '{name}' has not the {what} asked for.")


def _count(value: Any) -> int:
    """How many inputs there are: a text or a list of tokens is one."""
    return len(value) if isinstance(value, list) and not isinstance(value[0], int) else 1


def _length(text: str) -> int:
    """How many numbers some base64 holds, without a look at each letter.

    Raises:
        ValueError: it does not hold a whole number of them.
    """
    size, rest = len(text) // 4 * 3 - (len(text) - len(text.rstrip("="))), len(text) % 4
    if rest or size % _FLOAT_BYTES:
        raise ValueError("not base64 of floats")
    return size // _FLOAT_BYTES
