"""The provider under test, on either of Google's two services."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from tornado_router.provider import ApiError

from .support import Google


@pytest.fixture
def google() -> Google:
    return Google()


@pytest.fixture
def vertex() -> Google:
    base = "https://europe-west4-aiplatform.googleapis.com/v1/projects/p/locations/europe-west4"
    return Google(base_url=f"{base}/publishers/google/", access_token="ya29.canary-0123456789")


@pytest.fixture
def refused() -> Callable[..., ApiError]:
    """The error that a call is refused with before anything is sent."""

    def refuse(google: Google, body: Mapping[str, Any], **how: Any) -> ApiError:
        with pytest.raises(ApiError) as caught:
            google.build(body, **how)
        assert caught.value.status == 400
        return caught.value

    return refuse
