"""The attempts of one call: those that were made, and what its client is to learn of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from tornado_router.calls.sent_bounds import SentBounds
from tornado_router.calls.vendor_errors import Verdict
from tornado_router.errors import ApiError, forget_frames
from tornado_router.observability.attempt_record import AttemptRecord
from tornado_router.routing.routes import Target
from tornado_router.usage import Usage


class Tried(Protocol):
    """What is known of an attempt, whether it is one of a call or of a session.

    Attributes:
        target: where it was sent.
        record: of it, for metrics and traces.
        verdict: on the error that ended it, or None.
        was_lifted: whether it failed by what was changed then.
        dropped: the parameters that the provider left out.
    """

    target: Target
    record: AttemptRecord
    verdict: Verdict | None
    was_lifted: bool
    dropped: Sequence[str]

    @property
    def error(self) -> ApiError | None:
        """The error for the client, or None."""
        ...

    @property
    def maker(self) -> str:
        """The provider, if it made the response by itself; else empty."""
        ...


@dataclass(slots=True)
class Attempts:
    """The attempts of one call.

    Attributes:
        user_id: whose call it is.
        started: when the call came in, by `time.monotonic()`.
        traced: whether what attempts send and receive is noted, too, for traces.
        bounds: that targets get for the response, as money is short; or None.
        made: all of them, in the order in which they began.
        last: the one whose response or error is the client's; until that is known, the one that
            began last.
        target: of that one.
        waited: seconds that providers took until they responded or failed, and pauses between.
    """

    user_id: int
    started: float
    traced: bool = False
    bounds: SentBounds | None = None
    made: list[Tried] = field(default_factory=list)
    last: Tried | None = None
    target: Target | None = None
    waited: float = 0.0

    def lead(self, attempt: Tried) -> None:
        """The client's response or error is that of an attempt."""
        self.last, self.target = attempt, attempt.target

    def forget_frames(self) -> None:
        """Lets go of the call, once it is over; see `errors.forget_frames`."""
        for attempt in self.made:
            if attempt.verdict:
                forget_frames(attempt.verdict.error)

    @property
    def dropped(self) -> Sequence[str]:
        """The parameters that its provider left out."""
        last = self.last
        return last.dropped if last else ()

    @property
    def bound(self) -> int | None:
        """The bound that its target got for the response, or None."""
        return self.bounds.get(self.target) if self.bounds and self.target else None

    @property
    def adapted(self) -> Mapping[str, int]:
        """The parameters that its provider got otherwise than the client sent them."""
        bound = self.bound
        return {self.bounds.field: bound} if self.bounds and bound else {}

    def may_be_cut(self, usage: Usage) -> bool:
        """Whether the bound may have cut a response short that came to this."""
        bound = self.bound
        return bound is not None and (usage.estimated or usage.completion_tokens >= bound)

    @property
    def most_useful(self) -> ApiError:
        """Of the errors of all attempts that failed the one that is of most use to the client.

        Among equals it is the last: the newest of a target that was retried.
        """
        failed = [attempt for attempt in reversed(self.made) if attempt.verdict]
        own = [attempt for attempt in failed if not attempt.was_lifted] or failed
        verdicts = [attempt.verdict for attempt in own if attempt.verdict]
        return max(verdicts, key=lambda verdict: verdict.use).error

    @property
    def outrun(self) -> list[Target]:
        """The targets of hedged attempts that were cut off, as another was faster."""
        return [
            attempt.target
            for attempt in self.made
            if attempt is not self.last and attempt.verdict is None
        ]

    @property
    def records(self) -> list[AttemptRecord]:
        """The records of all, for metrics and traces."""
        return [attempt.record for attempt in self.made]
