"""Requests that every provider would refuse."""

from __future__ import annotations

from functools import partial

from tornado_router.errors import ApiError, ErrorCode

_invalid = partial(ErrorCode[ApiError], ApiError)

_JSON = "We could not parse the JSON body of your request: {reason}."


class Invalid:
    """Nothing was spent, and the same request will fail again."""

    invalid_request = _invalid(
        400, "", "`param` does not fit the rest of the request; the message says why.", code=None
    )
    invalid_json = _invalid(400, _JSON, "The body is not valid JSON, or not UTF-8.")
    invalid_content_encoding = _invalid(
        400,
        "The body of your request is not {encoding}, as its Content-Encoding says, or not whole.",
        "The body cannot be decoded as its `Content-Encoding` says.",
    )
    invalid_form = _invalid(
        400,
        "We could not parse the form in your request: {reason}.",
        "The body is not a form (`multipart/form-data`) that can be read.",
    )
    invalid_batch_file = _invalid(
        400,
        "The input file of a batch cannot be used: {reason}.",
        "The input file of a batch is empty, too large, or not lines of JSON.",
        param="input_file_id",
    )
    repeated_field = _invalid(
        400,
        "Invalid form: '{param}' comes more than once, or as different kinds of fields.",
        "A field of a form that takes one value comes more than once.",
        code="invalid_form",
    )
    too_many_values = _invalid(
        400,
        "The JSON body of your request holds more than {limit} values.",
        "The body holds more than `max_json_values` of the router.",
    )
    number_out_of_range = _invalid(
        400,
        "Invalid '{param}': the number is too large to be passed on.",
        "`param` is a number such as 1e400, beyond what a double can hold.",
    )
    duplicate_key = _invalid(400, _JSON, "A key occurs twice in one object.")
    missing_required_parameter = _invalid(
        400, "Missing required parameter: '{param}'.", "`param` is required."
    )
    unknown_parameter = _invalid(
        400,
        "Unknown parameter: '{param}'.",
        "The endpoint has no `param`; check the spelling. Below `/v1`, the router passes unknown "
        "fields on; this code then comes from the provider.",
    )
    invalid_type = _invalid(
        400,
        "Invalid type for {place}: expected {expected}, but got {got} instead.",
        "`param` has the wrong type.",
    )
    invalid_value = _invalid(
        400, "", "`param` has a value that is not allowed; the message says which are."
    )
    integer_below_min_value = _invalid(
        400,
        "Invalid '{param}': integer below minimum value. Expected a value >= {limit}, but got "
        "{got} instead.",
        "`param` is too small; the message gives the minimum.",
    )
    integer_above_max_value = _invalid(
        400,
        "Invalid '{param}': integer above maximum value. Expected a value <= {limit}, but got "
        "{got} instead.",
        "`param` is too large; the message gives the maximum.",
    )
    decimal_below_min_value = _invalid(
        400,
        "Invalid '{param}': decimal below minimum value. Expected a value >= {limit}, but got "
        "{got} instead.",
        "The same, for a `param` that takes decimals.",
    )
    decimal_above_max_value = _invalid(
        400,
        "Invalid '{param}': decimal above maximum value. Expected a value <= {limit}, but got "
        "{got} instead.",
        "The same, for a `param` that takes decimals.",
    )
    empty_string = _invalid(
        400,
        "Invalid '{param}': empty string. Expected a string with minimum length {limit}, "
        "but got an empty string instead.",
        "`param` must not be empty.",
    )
    string_below_min_length = _invalid(
        400,
        "Invalid '{param}': string too short. Expected a string with minimum length {limit}, "
        "but got a string with length {length} instead.",
        "The text in `param` is too short.",
    )
    string_above_max_length = _invalid(
        400,
        "Invalid '{param}': string too long. Expected a string with maximum length {limit}, "
        "but got a string with length {length} instead.",
        "The text in `param` is too long.",
    )
    empty_array = _invalid(
        400,
        "Invalid '{param}': empty array. Expected an array with minimum length {limit}, "
        "but got an empty array instead.",
        "`param` needs at least one item.",
    )
    array_below_min_length = _invalid(
        400,
        "Invalid '{param}': array too short. Expected an array with minimum length {limit}, "
        "but got an array with length {length} instead.",
        "`param` has too few items.",
    )
    array_above_max_length = _invalid(
        400,
        "Invalid '{param}': array too long. Expected an array with maximum length {limit}, "
        "but got an array with length {length} instead.",
        "`param` has too many items.",
    )
    object_above_max_properties = _invalid(
        400,
        "Invalid '{param}': too many properties. Expected an object with at most {limit} "
        "properties, but got an object with {length} properties instead.",
        "`param` has too many properties.",
    )
    websocket_needed = _invalid(
        426,
        "{path} is served by websocket alone: connect to it by ws:// or wss://.",
        "The endpoint is served by [websocket](realtime.md) alone.",
    )
    invalid_upgrade = _invalid(
        400,
        "The websocket cannot be opened: {reason}.",
        "The request asks for a websocket in a wrong way; the message says what is wrong.",
    )
    binary_message = _invalid(
        400,
        "Messages are texts, each an event in JSON: what is binary goes into one as base64.",
        "A websocket was sent a binary message.",
    )
    invalid_stream_id = _invalid(
        400,
        "The 'stream_id' field must be a non-empty string with at most 256 characters and may only "
        "contain letters, numbers, underscores, hyphens, and periods.",
        "A lane of a [websocket](endpoints.md#responses-by-websocket) has no such name.",
        param="stream_id",
    )
    websocket_stream_limit_reached = _invalid(
        400,
        "This WebSocket connection has reached its maximum number of distinct stream IDs "
        "({limit}). Reuse an existing stream_id or open a new WebSocket connection.",
        "A websocket has as many lanes as it may have.",
        param="stream_id",
    )
    websocket_connection_limit_reached = _invalid(
        400,
        "Responses websocket connection limit reached (60 minutes). Create a new websocket "
        "connection to continue.",
        "A websocket for responses lasts an hour at most.",
    )
    session_model_fixed = _invalid(
        400,
        "The model of this session is '{model}', and cannot be changed to that one: open another.",
        "The session cannot be changed to this model: another vendor has it, or the session's "
        "secret is for one model alone.",
    )
    not_streamable = _invalid(
        400, "This endpoint does not stream.", code="unsupported_parameter", param="stream"
    )
    unsupported_value = _invalid(
        400, "The model '{model}' does not support {what}.", "The model's target cannot do this."
    )
    unsupported_endpoint = _invalid(
        400,
        "The model '{model}' does not support this endpoint ({endpoint}).",
        "The model's provider does not have this endpoint.",
        param="model",
    )
    context_length_exceeded = _invalid(
        400,
        "This model's maximum context length is {limit:.0f} tokens. However, your request comes "
        "to about {tokens} tokens. Please reduce its length, or 'max_tokens'.",
        "The prompt does not fit any of the model's targets.",
    )
    target_not_found = _invalid(
        400,
        "x-router-target: '{target}' is not a target of this model.",
        "`x-router-target` does not name one of the model's targets.",
    )
    weak_password = _invalid(
        400, "'{param}' {reason}.", "The password is too short or too well known."
    )
    password_too_long = _invalid(
        400,
        "'{param}' is longer than {limit} bytes (UTF-8).",
        "The password is longer than 72 bytes; bcrypt ignores the rest.",
    )
    unknown_url = _invalid(404, "Invalid URL ({method} {path})", "There is no such path.")
    mistaken_url = _invalid(
        404,
        "Invalid URL ({method} {path}). Did you mean {meant}? The base URL of a client ends with "
        "/v1, once.",
        code="unknown_url",
    )
    misspelt_url = _invalid(
        404, "Invalid URL ({method} {path}). Did you mean {meant}?", code="unknown_url"
    )
    endpoint_not_served = _invalid(
        404,
        "This router does not serve {path}. It serves {served}.",
        "OpenAI or Anthropic have this endpoint, but the router has not; the message lists those "
        "that it serves.",
    )
    not_passed_on = _invalid(
        404,
        "This router does not serve {path}: in its router.toml, {option}. It serves {served}.",
        code="endpoint_not_served",
    )
    passed_to_none = _invalid(
        404,
        "The provider '{provider}', which serves this path, is off.",
        code="endpoint_not_served",
    )
    docs_are_off = _invalid(
        404, "The API reference is off: [server] docs = false.", code="unknown_url"
    )
    previous_response_not_found = _invalid(
        400,
        "Previous response with id '{id}' not found.",
        "There is no such response, it is too old, it was not stored, or it belongs to another "
        "user.",
        param="previous_response_id",
    )
    previous_response_unfinished = _invalid(
        400,
        "Previous response with id '{id}' is not finished yet.",
        "It is still made in the background; wait until `GET` shows that it is `completed`.",
        param="previous_response_id",
    )
    provider_is_gone = _invalid(
        404,
        "The response is kept by the provider '{provider}', which is not served any more.",
        "The vendor that keeps the response is not in router.toml any more, or is off.",
        code="response_not_found",
    )
    not_in_background = _invalid(
        400,
        "Cannot cancel the response '{id}': it is not made in the background.",
        "Only a response with `background` can be cancelled.",
    )
    other_provider_has_it = _invalid(
        400,
        "What '{param}' names is kept by a provider that does not serve the model '{model}'.",
        "A vendor keeps the responses that it made, and their items; only its own models can go on "
        "from them.",
        code="previous_response_not_found",
    )
    item_not_found = _invalid(
        404,
        "Item with id '{id}' not found.",
        "`input` names an item by an id. There is no such item, it is too old, its response was "
        "not stored, or it belongs to another user.",
    )
    duplicate_item = _invalid(
        400,
        "Duplicate item found with id {id}. Remove duplicate items from your input and try again.",
        "`input` names an item by its id more than once.",
        code="invalid_value",
    )
    item_elsewhere = _invalid(
        404,
        "The item with id '{id}' is kept by another provider than what else the call goes on from.",
        "A vendor keeps the items that it made; no other has them.",
        code="item_not_found",
    )
    invalid_encrypted_content = _invalid(
        400,
        "A part of the conversation can only be read by the provider that made it, which does not "
        "serve the model '{model}'.",
        "What one account of a vendor compacted and encrypted, no other can read.",
        param="input",
    )
    conversation_too_long = _invalid(
        400,
        "The conversation has more than {turns} responses, {bytes} bytes or {values} values.",
        "All that came before goes with each turn; begin a new conversation.",
    )
    model_not_found = _invalid(
        404,
        "The model '{model}' does not exist or you do not have access to it.",
        "There is no such model; `GET /v1/models` lists them.",
        param="model",
    )
    model_is_off = _invalid(
        404,
        "The model '{model}' is not served now: {reason}.",
        code="model_not_found",
        param="model",
    )
    method_not_allowed = _invalid(
        405,
        "Not allowed to {method} on {path}.",
        "The path does not support this method; `Allow` lists those it does.",
    )
    request_too_large = _invalid(
        413,
        "The request body is larger than the limit of {limit} bytes.",
        "The body is larger than `max_body_bytes`, or than 64 KB outside of calls of models.",
    )
    unsupported_content_encoding = _invalid(
        415,
        "Unsupported content encoding '{got}'. Send the body as it is, or in one of: {expected}.",
        "The `Content-Encoding` is not one that the router reads; `Accept-Encoding` lists those.",
    )
    unsupported_content_type = _invalid(
        415,
        "Unsupported content type '{got}'. Send '{expected}'.",
        "The `Content-Type` does not say that the body is what the endpoint takes.",
    )
