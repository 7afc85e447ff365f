"""The HTTP status behind a vendor's name for an error, in one table.

Errors that come behind a status 200, in a body or in a stream, have no other status. Names are
compared in lower case.
"""

from __future__ import annotations

from collections.abc import Iterable

UNKNOWN = 502
"""The status of a failure that names none."""

_NAMES = {
    400: (
        # https://platform.openai.com/docs/guides/error-codes
        "invalid_request_error context_length_exceeded invalid_prompt string_above_max_length "
        "content_filter content_policy_violation image_content_policy_violation "
        # https://openrouter.ai/docs/api/reference/errors-and-debugging
        "invalid_request max_tokens_exceeded token_limit_exceeded string_too_long invalid_image "
        # https://github.com/ggml-org/llama.cpp/blob/master/tools/server/server-common.cpp
        "exceed_context_size_error "
        # https://docs.vllm.ai: the names of exceptions
        "badrequesterror "
        # https://help.aliyun.com/en/model-studio/error-code
        "invalidparameter datainspectionfailed data_inspection_failed "
        # https://cloud.google.com/apis/design/errors, the canonical codes of gRPC
        "invalid_argument failed_precondition out_of_range"
    ),
    401: (
        "authentication_error invalid_api_key incorrect_api_key_error authenticationerror "
        "invalid_authentication_error invalidapikey unauthenticated unauthorized authentication"
    ),
    402: (
        "billing_error insufficient_credits insufficient_balance payment_required arrearage "
        "payment_required_error"
    ),
    403: (
        "permission_error permission_denied permission_denied_error permissiondeniederror "
        "access_denied accessdenied forbidden unsupported_country_region_territory "
        "content_moderation"
    ),
    404: (
        "not_found_error model_not_found not_found notfounderror resource_not_found_error "
        "modelnotfound deploymentnotfound"
    ),
    408: "request_timeout",
    409: "conflict_error conflict already_exists aborted",
    413: "request_too_large payload_too_large",
    422: "unprocessable_entity unprocessable unprocessableentityerror",
    429: (
        "rate_limit_error rate_limit_exceeded rate_limit rate_limited ratelimitreached "
        "rate_limit_reached_error resource_exhausted too_many_requests toomanyrequests tokens "
        "requests slow_down insufficient_quota exceeded_current_quota_error throttling "
        "throttlingexception credit_balance_exhausted organization_spend_limit_exceeded "
        "project_spend_limit_exceeded organization_usage_limit_exceeded"
    ),
    499: "cancelled",
    500: (
        "api_error server_error internal_server_error internalservererror internal internal_error "
        "unknown data_loss"
    ),
    501: "not_implemented unimplemented not_implemented_error",
    502: "bad_gateway upstream_error provider_error",
    503: (
        "service_unavailable service_unavailable_error serviceunavailable unavailable "
        "unavailable_error server_overloaded server_is_overloaded engine_overloaded_error "
        "overloaded provider_unavailable provider_overloaded no_available_provider"
    ),
    504: "timeout_error timeout gateway_timeout deadline_exceeded",
    529: "overloaded_error",
}
"""By status. Where no page is named, the word is a `code` or `type` of OpenAI, of Anthropic
(https://platform.claude.com/docs/en/api/errors), or of a vendor that copies them."""

STATUSES = {name: status for status, names in _NAMES.items() for name in names.split()}
"""The status of each name."""


def status_of(values: Iterable[object]) -> int | None:
    """The status that the first of some values means; None if none of them means one.

    Args:
        values: codes, types and statuses as vendors send them: `429`, `"429"`, `"slow_down"`.
    """
    for value in values:
        status = _number(value)
        if status is None and isinstance(value, str):
            status = STATUSES.get(value.lower())
        if status is not None:
            return status
    return None


def is_status(value: object) -> bool:
    """Whether a vendor's code is nothing but an HTTP status, as a number or a text."""
    return _number(value) is not None


def _number(value: object) -> int | None:
    if isinstance(value, str) and len(value) == 3 and value.isascii() and value.isdigit():
        value = int(value)
    if type(value) is int and 400 <= value <= 599:
        return value
    return None
