"""What a vendor has made, by its responses: the ids whose owner is to be noted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from tornado_router.endpoints.passed_paths import PassedPath

_COLLECTIONS = {
    "agent": "agents",
    "agent.automation": "agents/automations",
    "agent.environment": "agents/environments",
    "agent.session": "agents/sessions",
    "assistant": "assistants",
    "audio.voice": "audio/voices",
    "audio.voice_consent": "audio/voice_consents",
    "batch": "batches",
    "container": "containers",
    "conversation": "conversations",
    "eval": "evals",
    "file": "files",
    "fine_tuning.job": "fine_tuning/jobs",
    "skill": "skills",
    "thread": "threads",
    "upload": "uploads",
    "vault": "vaults",
    "vector_store": "vector_stores",
    "video": "videos",
}
"""Where a thing is listed that stands for itself, by its `object`."""

_NOT_KEPT = frozenset(
    ("chat/completions", "completions", "messages", "messages/count_tokens", "models", "responses")
)
"""Collections to which nothing is added that could be asked for again."""

_EXPIRES = frozenset(("files", "uploads"))
"""Collections of things whose expiry is known for good when they are made."""

_LATEST = 4_000_000_000


class Thing(NamedTuple):
    """A thing that a vendor keeps.

    Attributes:
        id: of it.
        collection: that it is listed in.
        expires: when the vendor deletes it, in seconds since 1970, where that is known for good.
    """

    id: str
    collection: str
    expires: int | None = None


def created(method: str, path: PassedPath, body: Mapping[str, Any]) -> Thing | None:
    """The thing that a request has made, which no user may have had before."""
    if method != "POST" or path.owned or path.model or path.collection in _NOT_KEPT:
        return None
    thing = _thing(body, path.collection)
    inner = body.get("file")
    if thing is None and isinstance(inner, Mapping):  # as Google's uploads have it
        thing = _thing(inner, "files")
    return thing


def beside(path: PassedPath, body: Mapping[str, Any]) -> Iterator[Thing]:
    """What else has come to be with a thing, or of it: the file of an upload, results of a job."""
    kind = body.get("object")
    if kind == "upload":
        yield from _named(body.get("file"), "files")
    elif kind == "fine_tuning.job":
        results = body.get("result_files")
        for name in results if isinstance(results, list) else ():
            yield from _named(name, "files")
    elif kind == "batch":
        for field in ("output_file_id", "error_file_id"):
            yield from _named(body.get(field), "files")
    elif kind == "thread.run" and not path.owned:
        yield from _named(body.get("thread_id"), "threads")
    elif isinstance(kind, str) and kind in _COLLECTIONS and body.get("id") != path.owned:
        yield from _named(body, _COLLECTIONS[kind])


def id_of(item: object) -> str:
    """The id of an item of a list; empty if it has none. Google's are the ends of names."""
    if not isinstance(item, Mapping):
        return ""
    found = item.get("id", item.get("name"))
    return found.rpartition("/")[2] if isinstance(found, str) else ""


def _named(value: object, collection: str) -> Iterator[Thing]:
    if isinstance(value, str):
        yield Thing(value, collection)
    elif isinstance(value, Mapping) and (thing := _thing(value, collection)):
        yield thing


def _thing(body: Mapping[str, Any], collection: str) -> Thing | None:
    found = id_of(body)
    if not found or ("error" in body and not isinstance(body.get("object"), str)):
        return None
    kind = body.get("object")
    collection = _COLLECTIONS.get(kind, collection) if isinstance(kind, str) else collection
    expires = body.get("expires_at")
    is_final = collection in _EXPIRES and type(expires) is int and 0 < expires < _LATEST
    return Thing(found, collection, expires if is_final else None)
