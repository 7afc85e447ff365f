"""What has to hold before a request is passed on; most of it is tested by requests themselves."""

from dataclasses import replace

import pytest

from tornado_router.accounts.key_lookup import Key
from tornado_router.calls.passed.gate import Gate, model_of
from tornado_router.calls.passed.request import PassedRequest
from tornado_router.endpoints import OPENAI
from tornado_router.endpoints.passed_paths import read_path
from tornado_router.errors import ApiError
from tornado_router.limits.limiter import Purse

PAYER = replace(Key(1, 1, "key"), purses=(Purse("credits:1", 100, 0),))


@pytest.mark.parametrize(
    ("deed", "model", "is_refused"),
    [
        ("generateContent", "gemini", False),
        ("countTokens", "", False),
        ("batchGenerateContent", "", True),
        ("asyncBatchEmbedContent", "", True),
    ],
)
def test_who_pays_is_refused_what_no_response_has_the_cost_of(deed, model, is_refused):
    path = read_path(f"/v1beta/models/gemini:{deed}")
    request = PassedRequest("passthrough", "google", OPENAI, "POST", path, json={})
    assert model_of(request) == model
    gate = Gate(None, refuse_unpriced=True)
    gate.check_permissions(request, Key(1, 1, "key"))
    if is_refused:
        with pytest.raises(ApiError, match="does not report what this request costs"):
            gate.check_permissions(request, PAYER)
    else:
        gate.check_permissions(request, PAYER)
