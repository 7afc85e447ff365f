"""Failures of providers."""

from __future__ import annotations

from functools import partial

from tornado_router.errors import ErrorCode, ProviderError

_failure = partial(ErrorCode[ProviderError], ProviderError, type="api_error")


class Failure:
    """Another target of the route may do better."""

    unsupported_parameter = _failure(
        400,
        "The provider of the model '{model}' does not support '{param}'.",
        "The provider has no equivalent of `param`; the operator can have it dropped instead.",
        type="invalid_request_error",
    )
    not_bridged = _failure(
        400,
        "The provider of the model '{model}' lacks this endpoint, and '{param}' cannot be served "
        "by another: {reason}.",
        code="unsupported_value",
        type="invalid_request_error",
    )
    connection_error = _failure(
        502,
        "The provider '{provider}' cannot be reached.",
        "The provider cannot be reached, or the connection broke.",
    )
    connection_broken = _failure(
        502, "The provider '{provider}' broke off its connection.", code="connection_error"
    )
    connection_closed = _failure(
        502,
        "The provider '{provider}' closed its connection with code {code}.",
        code="connection_error",
    )
    tls_error = _failure(
        502,
        "The provider '{provider}' has no valid TLS certificate.",
        "Its certificate cannot be trusted.",
    )
    proxy_error = _failure(
        502,
        "The proxy before the provider '{provider}' cannot be reached.",
        "The HTTP proxy between the router and the provider failed, or refused.",
    )
    proxy_refused = _failure(
        502,
        "The proxy before the provider '{provider}' responded with status {status}.",
        code="proxy_error",
    )
    bad_provider_answer = _failure(502, "", "Its response is not what its API promises.")
    unreadable_encoding = _failure(
        502,
        "The provider '{provider}' compressed its response in a way that cannot be read.",
        code="bad_provider_answer",
    )
    response_too_large = _failure(
        502,
        "The provider '{provider}' sent a response larger than the limit of {limit} bytes.",
        "Its response is larger than the provider's `max_response_bytes` or"
        " `max_error_bytes`, or holds more than its `max_response_values`.",
    )
    too_many_values_in_response = _failure(
        502,
        "The provider '{provider}' sent a response with more than the limit of {limit} values.",
        code="response_too_large",
    )
    provider_fault = _failure(502, "The provider '{provider}' failed.", "Its plugin failed.")
    unreadable_response = _failure(
        502, "The provider's response cannot be read.", code="provider_fault"
    )
    provider_refused_credentials = _failure(
        502,
        "The provider '{provider}' refused the router's credentials.",
        "It rejected the operator's credentials.",
    )
    region_not_supported = _failure(
        502,
        "The provider '{provider}' does not serve the router's region.",
        "It does not serve the region that the router is in.",
    )
    no_credit = _failure(
        503,
        "The router's account at the provider '{provider}' is out of credit. Please tell the "
        "router's administrator.",
        "The router's own account at the provider is empty. Do not retry it.",
        code="insufficient_quota",
        retry=False,
    )
    timeout = _failure(
        504, "The provider '{provider}' did not respond in time.", "It took too long."
    )
    connect_timeout = _failure(
        504, "The provider '{provider}' could not be connected to in time.", code="timeout"
    )
    deadline_passed = _failure(504, "No provider responded in time.", code="timeout")
