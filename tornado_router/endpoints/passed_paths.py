"""Paths of requests that go to a vendor as they are: read strictly, and written anew.

A path is read once, here, and the vendor gets what was read: nothing in it can mean one thing to
the router and another to the vendor.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import quote, unquote

MAX_SEGMENTS = 16

_SEGMENT = re.compile(r"(?!\.+$)[A-Za-z0-9_.:@~+=,-]{1,256}")
_VERSION = re.compile(r"v[0-9]+(?:alpha|beta)?[0-9]*")

NEVER = frozenset(
    (
        *("admin", "admin_api_keys", "api_keys", "audit_logs", "billing", "certificates"),
        *("cost_report", "dashboard", "invites", "organization", "organizations", "projects"),
        *("usage", "usage_report", "users", "workspaces"),
    )
)
"""Words of paths by which an account is administered: no client gets there, whatever is set."""

_WORDS = frozenset(
    (
        *("agents", "assistants", "audio", "automations", "batches", "cachedContents"),
        *("characters", "chat", "completions", "environments", "sessions", "templates"),
        *("vaults", "voice_consents", "voices"),
        *("containers", "content", "conversations", "count_tokens", "download", "edits", "evals"),
        *("extensions", "fileSearchStores", "files", "fine_tuning", "input_tokens", "jobs"),
        *("messages", "models", "operations", "responses", "runs", "skills", "threads"),
        *("tunedModels", "upload", "uploads", "vector_stores", "videos"),
    )
)
"""Names of collections and of deeds in paths, before the first id. What is not here is an id."""

_TRANSFERS = frozenset(("upload", "download"))
_MODELS = "models"


class PassedPath(NamedTuple):
    """A path that was read.

    Attributes:
        segments: of it, decoded.
        collection: the words before the first id, without a version: what a thing is kept under.
        owned: the id that has to be the user's own; empty if the path has none.
        inner: what is named behind that id: ids of things inside of it, words, and numbers.
        model: that the path names, without what is to be done with it; empty if it names none.
    """

    segments: tuple[str, ...]
    collection: str = ""
    owned: str = ""
    inner: tuple[str, ...] = ()
    model: str = ""

    @property
    def written(self) -> str:
        """The path as the vendor gets it."""
        return "".join(f"/{quote(segment, safe=':@=+,~')}" for segment in self.segments)

    @property
    def is_content(self) -> bool:
        """Whether it asks for the bytes of something rather than for what is known of it."""
        return self.segments[-1] == "content"


def read_path(path: str) -> PassedPath | None:
    """Reads a path; None for one that could mean more than one thing, or that is never passed.

    Args:
        path: of a request, behind the host, without what the router put before the vendor's.
    """
    if not path.startswith("/") or len(path) > MAX_SEGMENTS * 256:
        return None
    try:
        segments = tuple(unquote(part, errors="strict") for part in path[1:].split("/"))
    except UnicodeDecodeError:
        return None
    if len(segments) > MAX_SEGMENTS or not all(map(_SEGMENT.fullmatch, segments)):
        return None
    if any(segment.lower() in NEVER for segment in segments):
        return None
    return _understood(segments)


def _understood(segments: tuple[str, ...]) -> PassedPath:
    words: list[str] = []
    for index, segment in enumerate(segments):
        name = segment.partition(":")[0]
        if words and words[-1] == _MODELS:
            return PassedPath(segments, "/".join(words), model=name)
        if not words and (_VERSION.fullmatch(segment) or segment in _TRANSFERS):
            continue
        if name not in _WORDS:
            inner = (*segment.partition(":")[2:], *segments[index + 1 :])
            return PassedPath(segments, "/".join(words), name, tuple(filter(None, inner)))
        words.append(name)
    return PassedPath(segments, "/".join(words))


class PathRule(NamedTuple):
    """What of OpenAI's API is passed through, as `[passthrough] paths` has it.

    Attributes:
        methods: that are; none stands for all.
        segments: that the path begins with, behind `/v1`.
    """

    methods: frozenset[str]
    segments: tuple[str, ...]

    def holds(self, segments: Sequence[str]) -> bool:
        """Whether a path, behind its version, is one of these."""
        return tuple(segments[: len(self.segments)]) == self.segments


_RULE = re.compile(r"(?:([A-Z]+(?:,[A-Z]+)*) )?([a-z0-9_]+(?:/[a-z0-9_]+)*)")

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


def read_rule(text: str) -> PathRule | None:
    """Reads a rule such as `files` or `GET,DELETE files`; None for what is none."""
    found = _RULE.fullmatch(text)
    if found is None:
        return None
    methods = frozenset(found[1].split(",")) if found[1] else frozenset()
    segments = tuple(found[2].split("/"))
    if not methods <= set(METHODS) or NEVER & set(segments):
        return None
    return PathRule(methods, segments)
