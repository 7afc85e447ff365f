"""Passwords: which are good enough, and bcrypt on threads of its own.

bcrypt takes a quarter of a second on purpose. So it runs neither on the event loop nor on the
threads of the database, and no more of it at once than there are processors to do it.
"""

from __future__ import annotations

import asyncio
import functools
import os
import threading
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import bcrypt

from tornado_router.background.supervisor import thread_pool
from tornado_router.error_codes import Invalid, Refusal

T = TypeVar("T")

MAX_BYTES = 72
"""bcrypt looks at no more, so a longer password would be as good as its beginning."""

WAITING = 256
"""Passwords that may wait for a thread, in one process."""

FEWEST_CHARACTERS = 4
"""Different ones that a password has at least."""

UNUSABLE = "!"
"""Not a bcrypt hash, so no password matches it."""

_PADDING = "0123456789!?.,*#$@_-"
"""What people put behind a common password to make it look better."""

# Of the passwords that are tried first, in small letters and without what stands behind them.
_COMMON = frozenset(
    Path(__file__).with_name("common_passwords.txt").read_text(encoding="utf-8").split()
)


def check_password(
    password: str, *, min_length: int, email: str = "", param: str = "password"
) -> None:
    """Lets a new password pass, or raises.

    Args:
        password: as it was typed.
        min_length: characters that it needs at least.
        email: address of the account, which must not be the password.
        param: the field that it stands in.

    Raises:
        ApiError: 400, it is too weak, too long, or cannot be used.
    """
    encoded = _encode(password)
    if encoded is None:
        raise Invalid.invalid_value(
            f"'{param}' has a character that is not allowed in passwords.", param=param
        )
    if len(encoded) > MAX_BYTES:
        raise Invalid.password_too_long(param=param, limit=MAX_BYTES)
    reason = _weakness(password, min_length, email)
    if reason:
        raise Invalid.weak_password(param=param, reason=reason)


def hash_password(password: str, rounds: int) -> str:
    """The hash of a password that was checked. Blocks for as long as `rounds` say."""
    encoded = _encode(password)
    assert encoded is not None, "checked before"
    return bcrypt.hashpw(encoded, bcrypt.gensalt(rounds)).decode()


class Passwords:
    """Hashes and checks passwords for coroutines.

    Args:
        rounds: work for a password, as a power of two.
        threads: how many may be worked on at once.
        waiting: how many more may wait for that.
    """

    def __init__(self, rounds: int, threads: int | None = None, waiting: int | None = None) -> None:
        threads = threads or os.cpu_count() or 1
        self._rounds = rounds
        self._threads = thread_pool("passwords", threads)
        self._room = threading.BoundedSemaphore(threads + (WAITING if waiting is None else waiting))

    async def hash(self, password: str) -> str:
        """The hash of a password that was checked.

        Raises:
            ApiError: 503, too many wait already.
        """
        return await self._run(lambda: hash_password(password, self._rounds))

    async def verify(self, password: str, password_hash: str | None) -> bool:
        """Whether it is the password of a hash; None takes as long and is never right.

        Raises:
            ApiError: 503, too many wait already.
        """
        return await self._run(lambda: self._verify(password, password_hash))

    def is_outdated(self, password_hash: str) -> bool:
        """Whether a hash was made with less work than is asked for now."""
        return _rounds(password_hash) < self._rounds

    def close(self) -> None:
        """Ends the threads; what waits is not done any more."""
        self._threads.shutdown(cancel_futures=True)

    def _verify(self, password: str, password_hash: str | None) -> bool:
        encoded = _encode(password)
        if password_hash is None or password_hash == UNUSABLE:
            bcrypt.checkpw(b"", self._no_ones_hash)
            return False
        if encoded is None or len(encoded) > MAX_BYTES:
            bcrypt.checkpw(b"", password_hash.encode())
        elif bcrypt.checkpw(encoded, password_hash.encode()):
            return True
        # A hash with less work must not be refused sooner than an unknown user: the work doubles
        # with each round, so these make up for the difference.
        for rounds in range(_rounds(password_hash), self._rounds):
            hash_password("", rounds)
        return False

    @functools.cached_property
    def _no_ones_hash(self) -> bytes:
        return hash_password("", self._rounds).encode()

    async def _run(self, work: Callable[[], T]) -> T:
        if not self._room.acquire(blocking=False):
            raise Refusal.passwords_overloaded()
        future = self._threads.submit(work)
        # Whether it was done or cancelled.
        future.add_done_callback(lambda _: self._room.release())
        return await asyncio.wrap_future(future)


def _rounds(password_hash: str) -> int:
    return int(password_hash.split("$")[2])


def _encode(password: str) -> bytes | None:
    """The bytes to hash, or None for a text that cannot have been typed.

    A keyboard may write an accented letter as one character or as two; NFC makes them alike.
    """
    if len(password) <= MAX_BYTES * 4:  # more cannot become few enough, and would take long
        password = unicodedata.normalize("NFC", password)
    try:
        encoded = password.encode()
    except UnicodeEncodeError:  # half of a surrogate pair, as a terminal may hand it on
        return None
    return None if b"\0" in encoded else encoded


def _weakness(password: str, min_length: int, email: str) -> str | None:
    """What makes a password easy to guess, as the end of a sentence."""
    word = password.casefold()
    if len(password) < min_length:
        return f"is too short: a password needs at least {min_length} characters"
    if len(set(password)) < FEWEST_CHARACTERS:
        return f"is too easy to guess: it has fewer than {FEWEST_CHARACTERS} different characters"
    if email and word in (email.casefold(), email.partition("@")[0].casefold()):
        return "is too easy to guess: it is your e-mail address"
    if word in _COMMON or word.rstrip(_PADDING) in _COMMON:
        return "is too easy to guess: it is one of those that are tried first"
    return None
