"""What vendors mean by an error: their words as they were seen, and what must not be taken so."""

import pytest

from tornado_router.calls.vendor_meanings import Meaning, meaning_of
from tornado_router.errors import ProviderError


def meaning(status, message="", **fields):
    read = meaning_of(ProviderError(status, message, **fields))
    return read.meaning if read else None


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (400, "prompt is too long: 215000 tokens > 200000 maximum"),
        (400, "input length and `max_tokens` exceed context limit: 170636 + 34048 > 200000"),
        (400, "Input is too long for requested model."),
        (400, "Your input exceeds the context window of this model."),
        (400, "This model's maximum context length is 128000 tokens. However, your messages"),
        (400, "This endpoint's maximum context length is 131,072 tokens."),
        (400, "Input length (265330) exceeds model's maximum context length (262144)."),
        (400, "The input (400013 tokens) is longer than the model's context length (262144)"),
        (400, "The decoder prompt (length 9) is longer than the maximum model length of 8."),
        (400, "The input token count (1200000) exceeds the maximum number of tokens allowed"),
        (
            400,
            "Prompt contains 65673 tokens, too large for model with 32768 maximum context length",
        ),
        (400, "This model's maximum prompt length is 131072 but the request contains 537812"),
        (400, "prompt too long; exceeded max context length by 1200 tokens"),
        (500, "the request exceeds the available context size, try increasing it"),
        (400, "The number of tokens to keep is greater than the context length"),
        (400, "Please reduce the length of the messages or completion."),
        (400, "Invalid request: Your request exceeded model token limit: 8192"),
        (400, "invalid params, context window exceeds limit (2013)"),
        (400, "Range of input length should be [1, 98304]"),
        (422, "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 8193"),
        (502, "This model's maximum context length is 8192 tokens."),
    ],
)
def test_overlong_prompts(status, words):
    assert meaning(status, words) is Meaning.TOO_LONG


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (429, "prompt is too long"),
        (400, "Rate limit reached: this model's maximum context length is 8192 tokens per minute"),
        (400, "max_tokens is too large: 9000. This model supports at most 4096 completion tokens"),
        (400, "temperature must be at most 2"),
        (503, "Throttling error: Too many tokens, please wait before trying again"),
    ],
)
def test_what_is_no_overlong_prompt(status, words):
    assert meaning(status, words) is None


@pytest.mark.parametrize(
    ("status", "message", "code"),
    [
        (402, "", None),
        (429, "", "insufficient_quota"),
        (400, "", "Arrearage"),
        (429, "", "credit_balance_exhausted"),
        (429, "", "1113"),
        (403, "", "AllocationQuota.FreeTierOnly"),
        (400, "Your credit balance is too low to access the Anthropic API.", None),
        (400, "You have reached your specified API usage limits. You will regain access on", None),
        (403, "Your newly created team doesn't have any credits yet.", None),
        (429, "Your team f2-4 has either used all available credits or reached its", None),
        (400, "Access denied, please make sure your account is in good standing.", None),
        (502, "insufficient balance (1008)", None),
        (402, "Insufficient Balance", None),
        (403, "Key limit exceeded (total limit).", None),
    ],
)
def test_empty_accounts(status, message, code):
    assert meaning(status, message, code=code) is Meaning.NO_CREDIT


@pytest.mark.parametrize(
    ("status", "message", "headers"),
    [
        (402, "In-flight budget exhausted.", {"Retry-After": "2"}),
        (429, "You exceeded your current quota, please retry in 33.5s.", {}),
        (400, "messages: your credit balance is too low is not a role", {}),
    ],
)
def test_what_is_no_empty_account(status, message, headers):
    assert meaning(status, message, headers=headers) is None


@pytest.mark.parametrize(
    ("status", "message", "code", "expected"),
    [
        (400, "Incorrect API key provided: xa***.", None, Meaning.BAD_KEY),
        (400, "API key not valid. Please pass a valid API key.", None, Meaning.BAD_KEY),
        (401, "", None, Meaning.BAD_KEY),
        (403, "", None, Meaning.BAD_KEY),
        (403, "Country, region, or territory not supported", None, Meaning.NO_REGION),
        (400, "User location is not supported for the API use.", None, Meaning.NO_REGION),
        (403, "", "unsupported_country_region_territory", Meaning.NO_REGION),
        (429, "Request too large for gpt-4 on tokens per min", None, Meaning.TOO_LARGE),
        (413, "Request too large for model `x` on TPM", "rate_limit_exceeded", Meaning.TOO_LARGE),
        (413, "", "request_too_large", Meaning.TOO_LARGE),
        (400, "", "content_filter", Meaning.FILTERED),
        (400, "", "DataInspectionFailed", Meaning.FILTERED),
        (400, "Content Exists Risk", None, Meaning.FILTERED),
        (403, "x requires moderation on Y. Your input was flagged", None, Meaning.FILTERED),
        (400, "Output blocked by content filtering policy", None, Meaning.FILTERED),
        (400, "a/b:free is not a valid model ID", None, Meaning.NO_MODEL),
        (400, "Model Not Exist", None, Meaning.NO_MODEL),
        (404, "The model `gpt-9` does not exist or you do not have", None, Meaning.NO_MODEL),
        (404, "models/gemini-9 is not found for API version v1beta", None, Meaning.NO_MODEL),
        (404, "model: claude-9", None, Meaning.NO_MODEL),
        (404, "", "DeploymentNotFound", Meaning.NO_MODEL),
        (400, "", "model_decommissioned", Meaning.NO_MODEL),
        (400, "Argument not supported on this model: stop", None, Meaning.UNABLE),
        (400, "'max_tokens' is not supported with this model.", None, Meaning.UNABLE),
        (400, "registry.ollama.ai/library/x does not support tools", None, Meaning.UNABLE),
        (404, "No endpoints found that support image input", None, Meaning.UNABLE),
        (400, "", "unsupported_value", Meaning.UNABLE),
        (400, "Failed to call a function.", "tool_use_failed", Meaning.MISMADE),
        (400, "Failed to generate JSON.", "json_validate_failed", Meaning.MISMADE),
        (400, "This does not support your case.", None, None),
        (404, "No such file.", None, None),
        (429, "Rate limit reached for gpt-4: Limit 10, Used 9, Requested 2", None, None),
        (500, "It broke.", None, None),
        (400, "Invalid value: 'x'", "invalid_value", None),
    ],
)
def test_other_meanings(status, message, code, expected):
    assert meaning(status, message, code=code) is expected


def test_the_vendors_own_words_count_where_the_message_hides_them():
    words = "the request exceeds the available context size"
    assert meaning(500, "The provider 'v' responded with status 500.", words=words)


def test_words_alone_are_known_from_codes():
    """A client can have a vendor quote any words."""
    by_words = meaning_of(ProviderError(400, "Your credit balance is too low: no such field"))
    assert not by_words.by_code
    assert meaning_of(ProviderError(429, "x", code="insufficient_quota")).by_code
    assert meaning_of(ProviderError(402, "x")).by_code


def test_no_message_takes_long():
    for text in ("your team " * 1000, "input token count " * 1000, "requires moderation " * 1000):
        assert meaning(400, text) is None
