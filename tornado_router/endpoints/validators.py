"""The validators of requests, each made when the first request needs it.

A process of one team serves one or two endpoints. The schemas of all take 90 ms to load, and 15 MB.
"""

from __future__ import annotations

from tornado_router.endpoints import ENDPOINTS
from tornado_router.validation import Profile, Validator


class Validators(dict[str, Validator]):
    """Validators by the name of an endpoint, or of a count such as `messages.count_tokens`.

    Args:
        profile: how strict they are.
    """

    def __init__(self, profile: Profile) -> None:
        super().__init__()
        self._profile = profile

    def __missing__(self, name: str) -> Validator:
        endpoint = ENDPOINTS.get(name)
        made = (
            endpoint.validator(self._profile)
            if endpoint
            else Validator.load(f"{name}.request", self._profile)
        )
        self[name] = made
        return made
