"""Says when to retry what a limit refused: as text, and as headers."""

from __future__ import annotations

import math


def duration(seconds: float) -> str:
    """A span of time as OpenAI's headers have it: `20ms`, `8.64s`, `6m0s`, `1h2m3s`."""
    if seconds < 1:
        return f"{math.ceil(seconds * 1000)}ms"
    if seconds < 60:
        return f"{seconds:.2f}".rstrip("0").rstrip(".") + "s"
    minutes, rest = divmod(math.ceil(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes}m{rest}s" if hours else f"{minutes}m{rest}s"


def retry_headers(seconds: float | None) -> dict[str, str]:
    """When to retry: `Retry-After`, and to the millisecond for OpenAI's SDKs.

    Args:
        seconds: until then; None if waiting will not help, which those SDKs obey, too.
    """
    if seconds is None:
        return {"x-should-retry": "false"}
    return {
        "Retry-After": str(math.ceil(seconds)),
        "retry-after-ms": str(math.ceil(seconds * 1000)),
    }
