"""The kinds of limits on calls: a row for each, and the one list of them in `Rates`.

Engines, refusals, headers, API keys and plans go by these rows, and know none of them by name.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

MINUTE = 60_000_000
"""Microseconds, in which all engines measure time."""


class LimitKind(NamedTuple):
    """What one kind of limit counts, and what it is called.

    Attributes:
        name: what refusals call it; the field of `Rates`.
        period: microseconds in which a bucket of the limit's size fills; 0 for what is held only
            while a call runs.
        counts_tokens: whether a call takes its tokens, and not 1.
        option: of a plan in router.toml, of an API key, and on the command line.
        column: of `api_keys`.
        description: what it bounds, for people.
        title: in the message of a refusal.
        error_type: of a refusal.
        header: ending of the `x-ratelimit-*` headers; empty for none.
    """

    name: str
    period: int
    counts_tokens: bool
    option: str
    column: str
    description: str
    title: str
    error_type: str
    header: str = ""


KINDS = (
    LimitKind(
        "requests",
        period=MINUTE,
        counts_tokens=False,
        option="rpm",
        column="rate_limit_rpm",
        description="Requests per minute",
        title="requests per min (RPM)",
        error_type="requests",
        header="requests",
    ),
    LimitKind(
        "tokens",
        period=MINUTE,
        counts_tokens=True,
        option="tpm",
        column="rate_limit_tpm",
        description="Tokens per minute",
        title="tokens per min (TPM)",
        error_type="tokens",
        header="tokens",
    ),
    LimitKind(
        "in_flight",
        period=0,
        counts_tokens=False,
        option="max_in_flight",
        column="max_in_flight",
        description="Calls in flight at once",
        title="concurrent requests",
        error_type="requests",
    ),
)


class Bound(NamedTuple):
    """A limit that is set.

    Attributes:
        position: of its kind in `KINDS`.
        limit: how much.
        period: of its kind.
        counts_tokens: of its kind.
    """

    position: int
    limit: int
    period: int
    counts_tokens: bool


@dataclass(frozen=True, slots=True)
class Rates:
    """The limits of one holder, a field for each of `KINDS`; None is unlimited, 0 is nothing.

    Attributes:
        holder: whose they are, such as `key:12` or `user:3`; the name of what is counted.
        bounds: those that are set.
        token_buckets: position and period of those of them that fill, and count tokens.
        shown: position, limit, period and header of those of them that clients learn of.
    """

    holder: str
    requests: int | None = None
    tokens: int | None = None
    in_flight: int | None = None
    bounds: tuple[Bound, ...] = field(init=False, repr=False, compare=False)
    token_buckets: tuple[tuple[int, int], ...] = field(init=False, repr=False, compare=False)
    shown: tuple[tuple[int, int, int, str], ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # Worked out once for each key, as every call goes through them several times.
        limits = [getattr(self, kind.name) for kind in KINDS]
        bounds = [
            Bound(index, limit, kind.period, kind.counts_tokens)
            for index, (kind, limit) in enumerate(zip(KINDS, limits, strict=True))
            if limit is not None
        ]
        buckets = [(it.position, it.period) for it in bounds if it.counts_tokens and it.period]
        shown = [
            (it.position, it.limit, it.period, header)
            for it in bounds
            if (header := KINDS[it.position].header)
        ]
        object.__setattr__(self, "bounds", tuple(bounds))
        object.__setattr__(self, "token_buckets", tuple(buckets))
        object.__setattr__(self, "shown", tuple(shown))

    @property
    def fewest_tokens(self) -> int | None:
        """The smallest of its limits of tokens, or None."""
        limits = [bound.limit for bound in self.bounds if bound.counts_tokens]
        return min(limits, default=None)
