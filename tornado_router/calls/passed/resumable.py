"""Uploads in several requests, by the protocol of Google's APIs.

The first request gets the address for the others in a header, and these carry no key: who has the
address may go on. So a client gets an address of the router's, with a token in the place of the
vendor's id of the upload. The token is signed and says all there is to know of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import parse_qsl, urlencode, urlsplit

from tornado_router.accounts.client_secrets import ClientSecrets
from tornado_router.config.credentials import SECRET_NAME
from tornado_router.endpoints.passed_paths import PassedPath, read_path

SECONDS = 86_400
"""For so long an upload may go on."""

URL_HEADER = "x-goog-upload-url"
FORWARDED = frozenset(
    f"x-goog-upload-{name}"
    for name in (
        *("command", "file-name", "header-content-length", "header-content-type", "offset"),
        "protocol",
    )
)
"""Headers of a request that go on."""

RETURNED = tuple(
    f"x-goog-upload-{name}" for name in ("chunk-granularity", "size-received", "status")
)
"""Headers of a response that reach the client."""

_ID = "upload_id"
_COMMAND = "x-goog-upload-command"
_UPLOAD = "upload"


class Upload(NamedTuple):
    """An upload that has begun.

    Attributes:
        key_hash: by which the key is looked up that began it.
        query: by which the vendor knows it.
    """

    key_hash: str
    query: list[tuple[str, str]]


def is_upload(path: PassedPath) -> bool:
    """Whether something may be uploaded there by several requests."""
    return path.segments[0] == _UPLOAD


def has_bytes(headers: Mapping[str, str]) -> bool:
    """Whether the body of a request is a part of what is uploaded."""
    found = {name.lower(): value for name, value in headers.items()}
    commands = found.get(_COMMAND, "").split(",")
    return _UPLOAD in (command.strip().lower() for command in commands)


def token_in(path: PassedPath, query: str) -> str | None:
    """What stands in the query in the place of an upload's id; None if nothing does."""
    return dict(parse_qsl(query)).get(_ID) if is_upload(path) else None


class ResumableUploads:
    """Knows the uploads of one provider.

    Args:
        secrets: signs tokens.
        provider: that has them.
        origin: of the router, as the client knows it.
    """

    def __init__(self, secrets: ClientSecrets, provider: str, origin: str) -> None:
        self._secrets = secrets
        self._provider = provider
        self._origin = origin

    def address(self, url: str, key_hash: str) -> str | None:
        """The router's address for an upload; None where the vendor's is none.

        Args:
            url: the vendor's.
            key_hash: of who has begun it.
        """
        try:
            parts = urlsplit(url)
        except ValueError:
            return None
        path = read_path(parts.path)
        query = [it for it in parse_qsl(parts.query) if not SECRET_NAME.search(it[0])]
        if path is None or not is_upload(path) or _ID not in dict(query):
            return None
        said = {"at": [self._provider, path.written], "query": query}
        token, _ = self._secrets.make(key_hash, said, SECONDS)
        rest = [(name, token if name == _ID else value) for name, value in query]
        return f"{self._origin}/{self._provider}{path.written}?{urlencode(rest)}"

    def find(self, token: str, path: PassedPath) -> Upload | None:
        """The upload that a token stands for; None if it is not good for this path.

        Args:
            token: of a request.
            path: of the same.
        """
        secret = self._secrets.read(token)
        if secret is None or secret.session["at"] != [self._provider, path.written]:
            return None
        return Upload(secret.key_hash, [(name, value) for name, value in secret.session["query"]])
