"""Requests that the router itself refuses: not this client, not now, or not any more."""

from __future__ import annotations

from functools import partial

from tornado_router.errors import (
    CLIENT_CLOSED,
    ApiError,
    DatabaseAwayError,
    ErrorCode,
    StoppedError,
)

_refusal = partial(ErrorCode[ApiError], ApiError)


class Refusal:
    """Another client may be served, or the same one later."""

    # Authentication and permissions
    no_api_key = _refusal(
        401,
        "You didn't provide an API key. You need to provide your API key in an Authorization "
        "header using Bearer auth (i.e. Authorization: Bearer YOUR_KEY), or as x-api-key.",
        "The request has no key or token; the message says what to send.",
        code=None,
    )
    no_token = _refusal(
        401, "Send the session token of POST /auth/login as Authorization: Bearer TOKEN.", code=None
    )
    invalid_api_key = _refusal(
        401,
        "Incorrect API key provided.",
        "There is no such key, or it was revoked or has expired. A session token is not a key.",
    )
    token_instead_of_api_key = _refusal(
        401,
        "Incorrect API key provided: this is a session token. Send an API key instead; POST "
        "/api-keys creates one.",
        code="invalid_api_key",
    )
    revoked_api_key = _refusal(401, "The API key was revoked.", code="invalid_api_key")
    invalid_credentials = _refusal(
        401, "Incorrect e-mail address or password.", "The e-mail address or the password is wrong."
    )
    wrong_password = _refusal(
        400, "Incorrect password.", "The current password is wrong.", code="invalid_credentials"
    )
    invalid_token = _refusal(
        401,
        "Your session has expired. Log in again.",
        "The session has expired: log in again. For `/metrics`: the token is wrong.",
    )
    wrong_metrics_token = _refusal(
        401, "Incorrect token: send the token of [metrics].", code="invalid_token"
    )
    token_required = _refusal(
        401,
        "This endpoint needs a session token (POST /auth/login), not an API key.",
        "Accounts and keys take a session token, not an API key.",
    )
    metrics_are_off = _refusal(
        404, "Metrics are off: set `token` in [metrics].", "`[metrics]` has no token."
    )
    admin_required = _refusal(
        403, "Only an administrator may {do}.", "Only administrators may do this."
    )
    endpoint_not_permitted = _refusal(
        403,
        "This API key may not use this endpoint ({endpoint}).",
        "The key may not use this endpoint.",
    )
    endpoint_not_priced = _refusal(
        403,
        "The vendor does not report what this request costs ({endpoint}), so it cannot be paid "
        "from credits or a budget. Ask the router's administrator.",
        "The cost of the request is not known, so it is refused for callers who pay from credits "
        "or a budget.",
    )
    model_not_permitted = _refusal(
        403,
        "This API key may not use the model '{model}'.",
        "The key, or the user's plan, does not include this model.",
        param="model",
    )
    model_not_in_plan = _refusal(
        403,
        "Your plan, '{plan}', does not include the model '{model}'.",
        code="model_not_permitted",
        param="model",
    )
    model_not_priced = _refusal(
        403,
        "The model '{model}' has no price on this router, so it cannot be paid from credits or a "
        "budget. Ask the router's administrator to set one.",
        "The model has no price, so it is refused for callers who pay from credits or a budget.",
        param="model",
    )
    unknown_plan = _refusal(
        403,
        "Your account is on a plan that this router does not have. Ask its administrator.",
        "The user's plan is no longer in router.toml.",
    )
    plan_not_found = _refusal(
        400,
        "There is no such plan. The plans are: {plans}.",
        "There is no such plan.",
        code="unknown_plan",
        param="plan",
    )
    registration_closed = _refusal(
        403,
        "Registration is closed. Ask the router's administrator for an account.",
        "Registration is closed.",
    )
    invite_required = _refusal(
        403,
        "Registration needs an invite. Ask the router's administrator for one.",
        "Registration needs an invite.",
        param="invite",
    )
    invalid_invite = _refusal(
        403,
        "This invite is invalid, expired, or for a different e-mail address.",
        "The invite was used, has expired, or is for another address.",
        param="invite",
    )

    # Limits and overload
    rate_limit_exceeded = _refusal(
        429,
        "",
        "A limit per minute, or of calls in flight, was reached; `x-ratelimit-*` and "
        "`Retry-After` say which and until when.",
        type="requests",
    )
    too_many_attempts = _refusal(
        429,
        "Too many attempts. Please try again in {wait}.",
        type="requests",
        code="rate_limit_exceeded",
    )
    too_many_counts = _refusal(
        429,
        "Too many requests to count tokens. Please try again in {wait}.",
        type="requests",
        code="rate_limit_exceeded",
    )
    insufficient_quota = _refusal(
        429,
        "",
        "The credits or the key's budget do not cover this call.",
        type="insufficient_quota",
    )
    quota_used_up = _refusal(
        429,
        "The response was cut off: no credits or no budget are left to continue it.",
        type="insufficient_quota",
        code="insufficient_quota",
    )
    not_cached = _refusal(
        504,  # RFC 9111 section 5.2.1.7
        "There is no cached response to this request.",
        "The request accepts only a [cached response](cache.md) (`only-if-cached`), and there is "
        "none. Do not retry it (`x-should-retry: false`).",
        type="invalid_request_error",
        retry=False,
    )
    overloaded = _refusal(
        503,
        "The router has too many calls at the moment. Please try again shortly.",
        "The router, its memory for large requests, or its password check is at capacity.",
        retry=1,
    )
    passwords_overloaded = _refusal(
        503,
        "Too many passwords are being checked at the moment. Please try again shortly.",
        code="overloaded",
        retry=5,
    )
    ledger_full = _refusal(
        503,
        "The router cannot record usage at the moment. Please try again later.",
        "Usage is waiting for the database, and there is no room for more.",
        retry=5,
    )
    limits_unavailable = _refusal(
        503,
        "The router cannot check limits at the moment. Please try again shortly.",
        "Redis cannot be reached, and the limits cannot be held without it.",
        retry=1,
    )
    database_away = ErrorCode(
        DatabaseAwayError,
        503,
        "The router's database cannot be reached at the moment. Please try again later.",
        "The database does not respond.",
        retry=5,
    )
    client_closed = _refusal(
        CLIENT_CLOSED,
        "The client disconnected before its call began.",
        "The client disconnected before its call began; only logs and metrics show it.",
    )
    stopped = ErrorCode(
        StoppedError,
        503,
        "The router is shutting down. Please try again.",
        "The router is shutting down. Try again: another one may respond.",
    )
    internal_error = _refusal(
        500,
        "The router had an error while processing your request.",
        "The router itself failed; the log says where.",
    )

    # Accounts and keys
    user_not_found = _refusal(404, "There is no user {id}.", "There is no such user.")
    key_not_found = _refusal(
        404, "There is no API key {id}.", "There is no such key, or it belongs to another user."
    )
    request_log_not_found = _refusal(
        404, "There is no logged request {id}.", "There is no such logged request."
    )
    websocket_queue_full = _refusal(
        429,
        "Too many requests wait on this WebSocket connection. Wait for a response to end.",
        "A client sends more by one websocket than is served at a time, and than may wait.",
    )
    too_many_in_background = _refusal(
        429,
        "Too many responses are made in the background now. Please try again later.",
        "This process makes as many responses in the background as it can.",
        retry=5,
    )
    response_not_found = _refusal(
        404,
        "Response with id '{id}' not found.",
        "There is no such response, it is too old, or it belongs to another user.",
    )
    resource_not_found = _refusal(
        404,
        "No such {what} object: {id}",
        "There is no such thing at the vendor, or it belongs to another user. Nothing that was "
        "made behind the router's back is there, either.",
    )
    list_too_long = _refusal(
        503,
        "The list holds so much of other users that yours was not reached yet. Please try again: "
        "the search goes on where it is.",
        "The vendor's list, which all users of the router share, has more of others than is "
        "searched at a time. The next request goes on there; SDKs send it by themselves.",
        retry=1,
    )
    storage_full = _refusal(
        403,
        "The router keeps {used} bytes of yours for batches, and has no room for more. Delete "
        "files that you do not need.",
        "The files and batches that the router keeps itself take all the room that "
        "`[batches]` gives a user, or all users together.",
    )
    invite_not_found = _refusal(
        404, "There is no unused invite {id}.", "There is no such unused invite."
    )
    email_taken = _refusal(
        409,
        "This e-mail address has an account already.",
        "An account with this address exists already.",
        param="email",
    )
    password_changed = _refusal(
        409,
        "The password was changed in the meantime. Log in again.",
        "The password was changed in the meantime.",
    )
    last_admin = _refusal(
        409,
        "This is the last active administrator. Appoint another one first.",
        "There has to be at least one administrator.",
    )
    too_many_keys = _refusal(
        409,
        "The user has {limit} API keys, the maximum. Delete some that are not used.",
        "The user has reached the maximum number of keys.",
    )
    credits_below_zero = _refusal(
        409,
        "Insufficient credits: the account has {balance} US dollars.",
        "The user does not have that much left.",
        param="amount",
    )
    credits_reserved = _refusal(
        409,
        "Insufficient credits: part of the balance is reserved by calls in progress, or held by "
        "batches.",
        code="credits_below_zero",
        param="amount",
    )
    credits_above_max = _refusal(
        409,
        "An account can hold at most {limit} US dollars.",
        "The balance would exceed the maximum.",
        param="amount",
    )
