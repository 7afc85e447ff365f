"""Every option of router.toml, declared once: its type, default, bounds and help.

The JSON Schema that a file is checked against, the typed values that the code reads, and the
reference in docs/configuration.md all come from the dataclasses here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tornado_router.config.declaration import DURATION, option, table_schema

MAX_RATE = 100_000_000
"""Of a limit in a minute: the counters of both engines are exact up to there."""

PASSED_PATHS = (
    *("agents", "assistants", "audio/voice_consents", "audio/voices", "batches"),
    *("chat/completions", "containers", "conversations", "evals", "files", "fine_tuning/jobs"),
    *("skills", "threads", "uploads", "vaults", "vector_stores", "videos"),
)
"""What of OpenAI's API is passed on unless router.toml says otherwise."""

MAX_DOLLARS = 1_000_000
"""Of an amount: billionths of it are exact even where numbers are doubles."""


@dataclass(frozen=True, kw_only=True)
class ServerOptions:
    """`[server]`: where the router listens, and its bounds on connections and requests."""

    host: str = option("127.0.0.1", "Address to listen on; `0.0.0.0` for every interface.")
    port: int = option(3000, "TCP port; 0 lets the system choose.", minimum=0, maximum=65535)
    workers: int = option(
        1,
        "Processes that serve the port together, one per CPU core; more than one need `[redis]` to "
        "share limits.",
        minimum=1,
        maximum=256,
    )
    http: str = option(
        "llhttp",
        "What reads requests and writes responses: `llhttp`, the parser of Node.js, or `tornado`, "
        "Tornado's own server, which costs more CPU, and closes at once where `llhttp` waits for a "
        "client to read its refusal: one that is still sending may see a reset in its place.",
        enum=["llhttp", "tornado"],
    )
    tls_certificate: str = option(
        "",
        "PEM file with the TLS certificate, followed by its intermediate certificates; relative to "
        "router.toml. A renewed one is loaded on SIGHUP or by `watch`.",
    )
    tls_key: str = option(
        "", "PEM file with the certificate's private key, which must not be encrypted."
    )
    trusted_proxies: tuple[str, ...] = option(
        (),
        "Addresses or networks of proxies in front of the router, whose `X-Forwarded-For` is "
        "trusted to name the client.",
    )
    max_header_bytes: int = option(
        65_536, "A connection with larger request headers is closed.", minimum=4096
    )
    max_body_bytes: int | None = option(
        None,
        "Larger request bodies are refused with status 413. Only calls may have more than 64 KB, "
        "and only with an API key. Default: 32 MB for messages and responses, 10 MB for the "
        "others.",
        minimum=1024,
    )
    max_upload_bytes: int = option(
        513 * 1024 * 1024,
        "Larger uploads are refused with status 413, such as files on their way to a vendor: see "
        "`[passthrough]`. They pass through, and are never held whole.",
        minimum=1024,
    )
    max_message_bytes: int = option(
        16 * 1024 * 1024,
        "A [realtime](realtime.md) session whose client sends a larger event is closed with the "
        "code 1009. A websocket for responses takes messages of `max_body_bytes`.",
        minimum=1024,
    )
    max_json_values: int = option(
        100_000,
        "How many values the JSON of a request may hold: texts, names of fields, objects and "
        "lists; ten numbers count as one. A request with more is refused with status 400. All "
        "other calls wait while it is parsed, and then while it is put as the provider takes it: "
        "each takes up to 1 µs for a value.",
        minimum=1000,
    )
    max_memory: int = option(
        72 * 1024 * 1024,
        "Bytes that request bodies and vendors' responses over 64 KB may hold of one process, "
        "together; beyond that, they are refused with status 503. Parsed, they take a multiple.",
        minimum=1024 * 1024,
    )
    max_disk: int = option(
        1024 * 1024 * 1024,
        "Bytes that forms (`multipart/form-data`) over 64 KB may have in one process together, "
        "until their calls are over; beyond that, they are refused with status 503. Files of a "
        "form are in memory up to 1 MB, and else in `TMPDIR`, which should be on a disk.",
        minimum=1024 * 1024,
    )
    max_calls: int = option(
        1000,
        "Model calls that one process has in flight; more are refused with status 503.",
        minimum=1,
    )
    max_connections: int = option(
        5000,
        "Client connections of one process; beyond that, idle ones are closed or new ones refused.",
        minimum=1,
    )
    max_connections_per_address: int = option(
        1000,
        "Those of them that one address may have, or one /64 network of IPv6; `trusted_proxies` "
        "have no such limit. Beyond it, idle ones of the address are closed or new ones refused.",
        minimum=1,
    )
    body_seconds: float = option(
        60.0,
        "How many seconds a client may take to send the headers of its first request, including "
        "the TLS handshake, and to send the body of any request; then the connection is closed.",
        exclusiveMinimum=0,
    )
    stalled_seconds: float = option(
        120.0,
        "A client that reads less than 16 KB of a response in so many seconds is disconnected.",
        exclusiveMinimum=0,
    )
    keepalive_seconds: float = option(
        15.0,
        "A stream that is silent for so many seconds, before its first content or later, sends its "
        "client a comment, so that proxies on the way do not take it for dead; 0 for never.",
        minimum=0,
    )
    shutdown_seconds: float = option(
        30.0, "How many seconds a stop waits for running calls.", minimum=0
    )
    idle_seconds: float = option(
        600.0, "Idle keep-alive connections are closed after so many seconds.", exclusiveMinimum=0
    )
    docs: bool = option(
        True, "Whether `/openapi.json` and `/docs` describe the API, without a key."
    )
    pid_file: str = option(
        "",
        "File that holds the process id while the router runs, relative to router.toml, for "
        "`tornado-router reload` and `restart`; empty for none.",
    )
    watch: bool = option(
        False,
        "Whether changes are loaded without a SIGHUP: to router.toml, to `.env` beside it, to the "
        "TLS certificate and its key, and to files that `${file:...}` names.",
    )


@dataclass(frozen=True, kw_only=True)
class CorsOptions:
    """`[cors]`: which web pages may call the router from a browser."""

    origins: tuple[str, ...] = option(
        (),
        "Origins that may, as browsers send them: `https://app.example.com`, in lower case, with "
        "the port unless it is the default, without a path. `*` is for every page.",
    )
    max_age_seconds: int = option(
        600,
        "How many seconds a browser may cache the response to a preflight request.",
        minimum=0,
        maximum=86_400,
    )


@dataclass(frozen=True, kw_only=True)
class DatabaseOptions:
    """`[database]`: users, keys and usage."""

    url: str = option(
        "",
        "URL of a PostgreSQL database, as `postgresql://user:password@host:5432/name`; empty for "
        "SQLite.",
        pattern="^(postgres(ql)?://.+)?$",
        examples=["postgresql://user:password@host:5432/name"],
        writeOnly=True,
    )
    password: str = option(
        "",
        "Password of the URL's user, as it is; in the URL itself it has to be percent-encoded.",
        writeOnly=True,
    )
    path: str = option(
        "data/router.db", "SQLite file, relative to router.toml; made if absent.", minLength=1
    )


@dataclass(frozen=True, kw_only=True)
class LedgerOptions:
    """`[ledger]`: the journal that keeps usage safe on its way to the database."""

    journal: str = option(
        "",
        "Folder of the journal, relative to router.toml; on a local disk. Empty for one beside the "
        "SQLite file.",
    )
    journal_mb: int = option(
        1024,
        "MB that the journal of each process may grow to while the database is away.",
        minimum=4,
    )
    when_full: str = option(
        "refuse",
        "What happens to calls once it is full: `refuse` answers with status 503, `serve` lets "
        "them through unrecorded.",
        enum=["refuse", "serve"],
    )


@dataclass(frozen=True, kw_only=True)
class RedisOptions:
    """`[redis]`: state that several processes share; without it, one process keeps it in memory."""

    host: str = option("", "Host name; empty for no Redis.")
    port: int = option(6379, "TCP port.", minimum=1, maximum=65535)
    username: str = option("", "User name, where Redis has users (ACLs); empty for the default.")
    password: str = option("", "Password; empty for none.", writeOnly=True)
    tls: bool = option(False, "Whether to use TLS. The certificate has to be for `host`.")
    tls_ca: str = option(
        "",
        "PEM file with the certificate authorities to trust, relative to router.toml; empty for "
        "those of the system.",
    )
    db: int = option(0, "Database number.", minimum=0)
    timeout: float = option(0.05, "Seconds that a command may take.", exclusiveMinimum=0)


@dataclass(frozen=True, kw_only=True)
class AuthOptions:
    """`[auth]`: accounts, sessions and API keys."""

    jwt_secret: str = option(
        "",
        "Signs session tokens; random, at least 32 characters, the same on every router of a "
        "deployment. May be empty on a loopback address without Redis: sessions then end with the "
        "process.",
        writeOnly=True,
    )
    jwt_expires_in: str = option(
        "24h",
        "How long a session lasts: `3600`, `90m`, `24h` or `7d`.",
        pattern=DURATION,
        examples=["3600", "90m", "24h", "7d"],
    )
    registration: str = option(
        "closed",
        "Whether people may register: `open`, with an invite code (`invite`), or not at all "
        "(`closed`).",
        enum=["open", "invite", "closed"],
    )
    first_admin: bool = option(
        True,
        "Whether a start with a new database creates an administrator and prints its API key. "
        "Where output is collected, set it to false and use `users create --admin`.",
    )
    default_plan: str = option("free", "The plan of new accounts; see `[plans.NAME]`.", minLength=1)
    password_min_length: int = option(
        10,
        "Minimum length of new passwords; the maximum is 72 bytes, which is bcrypt's.",
        minimum=8,
    )
    bcrypt_rounds: int = option(
        12,
        "Cost of checking a password, as a power of two: 12 takes a quarter of a second.",
        minimum=4,
        maximum=18,
    )
    attempts_per_account: int = option(
        10, "Sign-in attempts per minute for one account.", minimum=1
    )
    attempts_per_address: int = option(
        60, "Sign-in and registration attempts per minute from one address.", minimum=1
    )
    key_cache_seconds: float = option(
        1.0,
        "How many seconds a revoked key may keep working; 0 asks the database each time.",
        minimum=0,
    )
    revoked_streams: str = option(
        "finish",
        "What happens to a running stream when its key is revoked: it may `finish`, or is `cut` "
        "within a second.",
        enum=["finish", "cut"],
    )


@dataclass(frozen=True, kw_only=True)
class LimitsOptions:
    """`[limits]`: how rate limits and credits are enforced; plans and keys set their sizes."""

    default_output_tokens: int = option(
        1024,
        "Tokens reserved for the response to a call without `max_tokens`, until the router has "
        "learned how long the model's responses to that user are.",
        minimum=1,
    )
    least_output_tokens: int = option(
        128,
        "The fewest tokens that it learns to reserve, and the shortest response that a call is "
        "served with when money is short.",
        minimum=1,
    )
    most_output_tokens: int = option(
        131_072,
        "The longest response that any model sends. Where money is left for less, a whole "
        "response, or a stream that hides its reasoning, gets a bound: `max_tokens` for what is "
        "reserved.",
        minimum=1,
    )
    lease_seconds: float = option(
        30.0,
        "What a router reserved in Redis is released so many seconds after it died.",
        minimum=1,
    )
    rates_without_redis: str = option(
        "local-share",
        "Rate limits while Redis is away: `refuse` every limited call, hold each router to its "
        "share of the limit (`local-share`), or `allow` all.",
        enum=["refuse", "local-share", "allow"],
    )
    money_without_redis: str = option(
        "refuse",
        "The same for credits and budgets; with anything but `refuse` they can be overspent while "
        "Redis is away.",
        enum=["refuse", "local-share", "allow"],
    )
    processes: int = option(
        1,
        "For `local-share`: the least number of routers that share a limit; if more were seen in "
        "Redis, that number.",
        minimum=1,
    )


@dataclass(frozen=True, kw_only=True)
class RoutingOptions:
    """`[routing]`: what happens to a call whose target fails.

    The next target of its route is tried immediately. Once all have failed, those whose failure
    may pass are retried after a pause.
    """

    retries: int = option(2, "How often the targets of a call are retried.", minimum=0, maximum=10)
    retry_budget: float = option(
        0.2,
        "Average number of retries and hedged requests (`hedge_seconds`) per call, so that an "
        "outage is not multiplied; at most ten are saved up.",
        minimum=0,
        maximum=10,
    )
    backoff_seconds: float = option(
        0.25, "Approximate pause before the first retry; it doubles with each.", minimum=0
    )
    max_pause_seconds: float = option(
        10.0,
        "The longest pause. A provider whose `Retry-After` asks for more is not retried.",
        minimum=0,
    )
    deadline_seconds: float = option(
        600.0,
        "No attempt starts later than this in a call, and all but the first are cut off then if "
        "their response has not begun; the first has its provider's timeouts.",
        exclusiveMinimum=0,
    )
    breaker_failures: int = option(
        5,
        "Circuit breaker: so many failures among its last 20 responses take a target out of its "
        "routes, as long as another is left.",
        minimum=1,
        maximum=20,
    )
    breaker_seconds: float = option(
        10.0,
        "How long it stays out before one call tries it again; doubled each time that fails, up to "
        "five minutes.",
        exclusiveMinimum=0,
        maximum=300,
    )
    answer_model: str = option(
        "vendor",
        "What `model` says in a response: the `vendor`'s name of the model that served it, or the "
        "name that was `asked` for, which costs some 3 µs per chunk.",
        enum=["vendor", "asked"],
    )
    request_headers: bool = option(
        False,
        "Whether clients may choose one of a route's targets with `x-router-target: "
        "provider/model`; otherwise the header is ignored.",
    )
    slow_seconds: float = option(
        0.0,
        "A response whose first byte, or a stream whose first content, takes longer counts as a "
        "failure for the circuit breaker, though the call is served; 0 for no such limit.",
        minimum=0,
    )


@dataclass(frozen=True, kw_only=True)
class PricingOptions:
    """`[pricing]`: what a call costs; the prices themselves are in `[prices."MODEL"]`."""

    unpriced: str = option(
        "refuse",
        "A model without a price, for callers who pay from credits or a budget: `refuse` the call, "
        "serve it `free`, or charge the `default` price. It is free for all other callers.",
        enum=["refuse", "free", "default"],
    )
    default_input: float = option(
        0.0, "US dollars per million prompt tokens, if `unpriced` is `default`.", minimum=0
    )
    default_output: float = option(
        0.0, "US dollars per million completion tokens, if `unpriced` is `default`.", minimum=0
    )
    price_package: bool = option(
        True,
        "Take prices that router.toml does not have from `genai-prices`, if it is installed "
        "(`pip install 'tornado-llm-router[prices]'`).",
    )


@dataclass(frozen=True, kw_only=True)
class LogOptions:
    """`[log]`: what is written to standard error."""

    level: str = option(
        "info", "The least severe message written.", enum=["debug", "info", "warning", "error"]
    )
    format: str = option(
        "auto",
        "`text` for people, `json` for machines (one object a line); `auto` is text on a terminal.",
        enum=["auto", "text", "json"],
    )
    client_addresses: bool = option(
        True,
        "Whether the line of a request holds the client's IP address, as `trusted_proxies` decides "
        "it. Plugins that hear of finished calls see it, too.",
    )
    session_headers: tuple[str, ...] = option(
        ("x-claude-code-session-id", "session-id"),
        "Headers by which agents say which session a call is part of, as Claude Code and Codex do: "
        "the first that is there is `session` in the line of a call.",
    )


@dataclass(frozen=True, kw_only=True)
class MetricsOptions:
    """`[metrics]`: `GET /metrics`, for Prometheus."""

    token: str = option(
        "",
        "Bearer token that a scrape has to show; empty for none, and then there are no metrics.",
        writeOnly=True,
    )
    public: bool = option(False, "Whether they are served without a token.")


@dataclass(frozen=True, kw_only=True)
class OtelOptions:
    """`[otel]`: traces and metrics of calls by OpenTelemetry; needs the extra `[otel]`."""

    endpoint: str = option(
        "",
        "A collector that takes OTLP over HTTP, such as `http://localhost:4318`; empty for none.",
        pattern="^(https?://.+)?$",
        examples=["http://localhost:4318"],
    )
    headers: str = option(
        "", "Headers of requests to it, as `name=value,other=value`.", writeOnly=True
    )
    service_name: str = option("tornado-router", "The `service.name` of the router.", minLength=1)
    traces: bool = option(True, "Whether calls are exported as traces.")
    sample_ratio: float = option(
        1.0,
        "Part of the calls for which a trace is started; a `traceparent` decides for itself.",
        minimum=0,
        maximum=1,
    )
    metrics: bool = option(True, "Whether metrics are exported.")
    metrics_seconds: float = option(60.0, "Seconds between exports.", exclusiveMinimum=0)


@dataclass(frozen=True, kw_only=True)
class MemoryOptions:
    """`[memory]`: state that providers need back on the next turn of a conversation with tools."""

    seconds: float = option(
        3600.0, "How many seconds a client may take to answer a tool call.", exclusiveMinimum=0
    )
    max_bytes: int = option(
        32 * 1024 * 1024,
        "Bytes kept in this process, overhead included, at most; the oldest are dropped first. In "
        "Redis: bytes of one value, at most.",
        minimum=0,
    )


@dataclass(frozen=True, kw_only=True)
class ResponsesOptions:
    """`[responses]`: responses of `/v1/responses` that clients go on from by their ids.

    They are in the database, unless the vendor keeps them. Only the user who made one gets it.
    """

    keep_seconds: float = option(
        86_400.0,
        "How long they are kept after they were last used; 0 to keep none. A client keeps one out "
        "by `store: false`.",
        minimum=0,
    )
    max_bytes: int = option(
        4 * 1024 * 1024, "A larger one, with what was asked, is not kept.", minimum=0
    )
    max_per_user: int = option(
        1_000,
        "Of each user, so many are kept, and for a moment a hundredth more; the oldest go first.",
        minimum=1,
    )
    max_bytes_per_user: int = option(
        256 * 1024 * 1024,
        "Of each user, so much is kept, though at least the newest; the oldest go first.",
        minimum=0,
    )
    max_background_per_user: int = option(
        50,
        "So many of one user are made in the background at a time, by one process. All users "
        "together have 200.",
        minimum=0,
    )


@dataclass(frozen=True, kw_only=True)
class PassthroughOptions:
    """`[passthrough]`: what of vendors' APIs is passed on as it is, with an owner for each id.

    A key that may not use all endpoints needs the permission `passthrough`, or that of the kind,
    such as `files`.
    """

    provider: str = option(
        "",
        "Name of the provider that serves OpenAI's paths beside those of the router's own, such as "
        "`/v1/files`; empty for none.",
    )
    paths: tuple[str, ...] = option(
        PASSED_PATHS,
        "Which of them, by what they begin with behind `/v1/`; methods may stand before, as in "
        "`GET,DELETE files`. Those of organizations and administration are never passed on.",
    )
    vendors: tuple[str, ...] = option(
        (),
        "Names of providers whose vendors' own APIs are passed on below `/NAME/`, such as "
        "`/anthropic/v1/files`. The router puts the key in.",
    )
    batch_seconds: float = option(
        30.0,
        "How often vendors are asked for each batch that has not ended, in seconds.",
        minimum=0.1,
        maximum=3600,
    )


@dataclass(frozen=True, kw_only=True)
class BatchOptions:
    """`[batches]`: batches that the router runs itself, for models whose vendors have none.

    Each line is a call like any other, at its usual price, behind the calls of clients.
    """

    by_router: bool = option(
        False,
        "Whether the router runs the batches whose model the provider of `[passthrough]` does not "
        "serve; without such a provider, all. Their files are in the database.",
    )
    lines_at_once: int = option(
        8,
        "So many lines of all batches run in a process at a time. Each is a call to a vendor, "
        "whose limits interactive calls need, too.",
        minimum=1,
        maximum=1000,
    )
    busy_calls: int = option(
        32,
        "While a process serves so many calls of clients, it begins no line of a batch.",
        minimum=1,
    )
    keep_seconds: float = option(
        2_592_000.0,
        "How long an input file is kept after its upload, and a batch with its results after its "
        "end; 30 days, as OpenAI keeps them. So long, too, the router knows of a batch of a vendor "
        "after it was settled.",
        minimum=60,
        maximum=315_360_000,
    )
    max_bytes_per_user: int = option(
        1024 * 1024 * 1024,
        "Of each user, files and lines that wait may take so much; beyond, nothing new is taken "
        "until some is deleted. Results of batches that run are written all the same.",
        minimum=0,
    )
    max_bytes: int = option(10 * 1024 * 1024 * 1024, "The same for all users together.", minimum=0)


@dataclass(frozen=True, kw_only=True)
class CacheOptions:
    """`[cache]`: the response cache, for routes that have `cache_seconds`."""

    scope: str = option(
        "user",
        "Who shares cached responses: `user`, all keys of one user; `key`, one key; `everybody`, "
        "so that a fast response reveals that another user has sent the same request.",
        enum=["user", "key", "everybody"],
    )
    ignore_fields: tuple[str, ...] = option(
        (),
        "Top-level fields of a request, such as `user` or `metadata`, in which identical requests "
        "may differ. Only name fields that do not change the response.",
        items={
            "type": "string",
            "minLength": 1,
            "not": {"enum": ["model", "messages", "input", "stream", "stream_options"]},
        },
    )
    max_answer_bytes: int = option(1024 * 1024, "A larger response is not cached.", minimum=0)
    max_bytes: int = option(
        64 * 1024 * 1024,
        "Of the cache in this process, overhead included; the oldest responses go first. Redis "
        "has its own bound.",
        minimum=0,
    )


@dataclass(frozen=True, kw_only=True)
class RequestLogOptions:
    """`[request_log]`: request logging, into a table of the database."""

    calls: str = option(
        "none",
        "Which calls are logged: `none`; `chosen`: those of routes and keys with `log_requests`; "
        "`all`: every call, except for keys whose `log_requests` is false.",
        enum=["none", "chosen", "all"],
    )
    max_chars: int = option(
        65_536, "How many characters of a request, and of a response, are kept.", minimum=256
    )
    days: float = option(
        30.0,
        "Rows older than this are deleted, even when logging is off.",
        exclusiveMinimum=0,
        maximum=365_000,
    )
    max_rows: int = option(
        100_000,
        "Beyond this number, the oldest rows are deleted. Together with `max_chars` it bounds the "
        "size of the table.",
        minimum=1,
    )
    redact: tuple[str, ...] = option(
        (),
        "Regular expressions; what they match is redacted, in addition to API keys and tokens.",
    )
    redact_fields: tuple[str, ...] = option(
        (), "Names of JSON properties whose values are redacted at any depth."
    )


@dataclass(frozen=True, kw_only=True)
class ValidationOptions:
    """`[validation]`: how strictly requests are checked against OpenAI's API."""

    profile: str = option(
        "standard",
        "`openai` takes only what OpenAI documents today; `standard` also takes new values and "
        "vendors' extensions; `open` checks types and required fields only.",
        enum=["openai", "standard", "open"],
    )


@dataclass(frozen=True, kw_only=True)
class ProviderOptions:
    """`[providers.NAME]`: options of every provider; its type has more, listed below."""

    type: str = option(..., "Provider type, offered by an installed plugin.", minLength=1)
    models: tuple[str, ...] = option(
        ("*",),
        "Models to offer, each under its own name and as `NAME/model`. What a pattern such as "
        "`gpt-*` matches is offered as `NAME/model` only.",
    )
    unsupported: str = option(
        "adapt",
        "What happens to what the vendor cannot do: `adapt` does what comes nearest, such as its "
        "highest temperature, and refuses a call that would get something else than it asks for, "
        "with status 400; `reject` refuses both; `drop` leaves out what is not to be had. What "
        "was changed or left out is named in `x-router-dropped-params`.",
        enum=["adapt", "reject", "drop"],
    )
    connect_timeout: float = option(
        10.0, "Seconds to connect, or to get a connection from the pool.", exclusiveMinimum=0
    )
    first_byte_timeout: float = option(
        300.0, "Seconds until the response begins; reasoning models take long.", exclusiveMinimum=0
    )
    between_bytes_timeout: float = option(
        120.0, "Seconds of silence in a response that has begun.", exclusiveMinimum=0
    )
    total_timeout: float = option(
        1800.0, "Seconds for a whole response, streamed or not.", exclusiveMinimum=0
    )
    max_response_bytes: int = option(
        64 * 1024 * 1024,
        "A larger response that is not streamed is cut off, and the next target is tried. What "
        "counts is its size once it is inflated.",
        minimum=65_536,
    )
    max_error_bytes: int = option(
        1024 * 1024, "The same for a response that reports an error.", minimum=65_536
    )
    max_response_values: int = option(
        600_000,
        "How many values the JSON of a response that is not streamed may hold; ten numbers count "
        "as one. 600,000 are more than the most embeddings that fit into 64 MB. All other calls "
        "wait while it is parsed: 0.1 µs for a value.",
        minimum=1000,
    )
    max_connections: int = option(
        1000, "Connections to this provider at once; further calls wait.", minimum=1
    )
    proxy: str = option(
        "environment",
        "HTTP proxy to reach the vendor through, as `http://user:password@proxy.example.com:3128`; "
        "`none` or empty for none; `environment` for what `HTTPS_PROXY`, `HTTP_PROXY` and "
        "`NO_PROXY` say.",
    )
    keepalive_seconds: float = option(
        60.0, "How many seconds an idle connection to the provider is kept.", minimum=0
    )
    http_client: str = option(
        "llhttp",
        "What sends requests to the provider: the router's own client of HTTP/1.1 (`llhttp`), or "
        "`aiohttp`, which costs more CPU. Requests through a proxy and websockets are always "
        "`aiohttp`'s.",
        enum=["llhttp", "aiohttp"],
    )


@dataclass(frozen=True, kw_only=True)
class RouteOptions:
    """`[routes.NAME]`: a model name of your own.

    The name may contain one `*`, as in `claude-*` or `openai/*`: the route then serves every name
    that matches and has no route of its own, and a `*` in a target stands for the same text.
    """

    targets: tuple[str, ...] = option(
        ...,
        "Targets as `provider/model`, in order: the next is tried when one fails before its first "
        "content.",
        minItems=1,
        items={"type": "string"},  # an empty one is refused like any that is not `provider/model`
    )
    strategy: str = option(
        "ordered",
        "Which target goes first: `ordered` as listed; `weighted` at random, by `weights`; "
        "`cheapest` for this call; `fastest` to begin its responses lately; `least-busy` with the "
        "fewest calls in flight. The others follow by the same rule.",
        enum=["ordered", "weighted", "cheapest", "fastest", "least-busy"],
    )
    weights: tuple[float, ...] = option(
        (), "For `weighted`: one number per target; 0 for one that only serves as a fallback."
    )
    sticky: str = option(
        "",
        "A field of the request, such as `user` or `metadata.session`, or one of its headers, such "
        "as `header:x-claude-code-session-id`: calls with the same value go to the same target "
        "first, whose prompt cache knows them. For `ordered` and `weighted`; calls without it are "
        "not sticky.",
    )
    hedge_seconds: float | None = option(
        None,
        "If the first target has not begun to respond after so many seconds, the next is asked "
        "too; the first to begin is used, the other is cancelled. What its provider may charge is "
        "not billed to the caller, but recorded as the call's `uncharged`.",
        minimum=0,
    )
    cache_seconds: float = option(
        0.0, "How long a response is cached for equal requests; 0 turns the cache off.", minimum=0
    )
    cache_max_temperature: float = option(
        0.0,
        "Requests with a higher `temperature` bypass the cache; one that sets none counts as 1, "
        "OpenAI's default.",
        minimum=0,
    )
    log_requests: bool = option(
        False, "Whether its requests and answers are kept, if `[request_log]` is on."
    )


@dataclass(frozen=True, kw_only=True)
class TargetOptions:
    """`[targets."PROVIDER/MODEL"]`: what a target cannot do, and how it is to be called.

    The name may be a pattern. Exact names take precedence over patterns, longer patterns over
    shorter ones.
    """

    context_window: int | None = option(
        None, "Tokens that fit, prompt and response together.", minimum=1
    )
    lacks: tuple[str, ...] = option(
        (),
        "Kinds of input and features that it does not support.",
        items={"enum": ["images", "audio", "files", "tools", "structured_outputs"]},
        uniqueItems=True,
    )
    max_output_tokens: int | None = option(
        None, "Tokens of the longest response; shown by `GET /v1/models`.", minimum=1
    )
    input_modalities: tuple[str, ...] = option(
        (),
        "What it can read; shown by `GET /v1/models`.",
        items={"enum": ["text", "image", "audio", "file"]},
        uniqueItems=True,
    )
    chat_by: str = option(
        "",
        "The endpoint by which it takes chat completions, and what is bridged to them, as some "
        "models think and call tools only by `responses`; empty for their own.",
        enum=["", "responses"],
    )


@dataclass(frozen=True, kw_only=True)
class PlanOptions:
    """`[plans.NAME]`: what each user of a plan may do, with all keys together.

    A limit that is left out does not apply; a limit of 0 lets nothing through. The plan
    `unlimited` always exists and has none.
    """

    credits: float | None = option(
        None,
        "US dollars that a new account starts with. Without it, users of the plan do not pay from "
        "credits.",
        minimum=0,
        maximum=MAX_DOLLARS,
    )
    rpm: int | None = option(None, "Requests per minute.", minimum=0, maximum=MAX_RATE)
    tpm: int | None = option(
        None, "Tokens per minute, of prompts and responses.", minimum=0, maximum=MAX_RATE
    )
    max_in_flight: int | None = option(
        None, "Calls in flight at once.", minimum=0, maximum=MAX_RATE
    )
    models: tuple[str, ...] = option(
        ("*",), "Models that users may call, by name or by a pattern such as `gpt-*`."
    )


@dataclass(frozen=True, kw_only=True)
class PriceTier:
    """One of the `tiers` of `[prices."MODEL"]`."""

    above: int = option(..., "Prompt tokens beyond which the tier applies.", minimum=1)
    input: float | None = option(None, "For prompt tokens.", minimum=0)
    output: float | None = option(None, "For completion tokens.", minimum=0)
    cached_input: float | None = option(None, "As in the table.", minimum=0)
    cache_write: float | None = option(None, "As in the table.", minimum=0)
    reasoning: float | None = option(None, "As in the table.", minimum=0)


@dataclass(frozen=True, kw_only=True)
class ImagePrice:
    """One of the `images` of `[prices."MODEL"]`."""

    price: float = option(..., "For each image, in US dollars.", minimum=0)
    size: str = option("", "Which size it is for, such as `1024x1024`; by default any.")
    quality: str = option("", "Which quality it is for, such as `high`; by default any.")


@dataclass(frozen=True, kw_only=True)
class PriceOptions:
    """`[prices."MODEL"]`: US dollars per million tokens of one model.

    MODEL is `provider/model`, or the bare name of a model of any provider; either may be a
    pattern, such as `openai/gpt-4.1*`. Names with a provider take precedence over bare
    ones, exact names over patterns, and longer patterns over shorter ones.
    """

    input: float | None = option(
        None,
        "For prompt tokens; required unless there is `price_as`, or a price for something else "
        "than tokens.",
        minimum=0,
    )
    price_as: str = option(
        "",
        "Instead of all other options: `vendor/model` whose price it has, such as "
        "`openai/gpt-4o` for a deployment at Azure. A `*` is the model's own name: "
        '`[prices."proxy/*"] price_as = "openai/*"` is for a proxy in front of OpenAI.',
    )
    output: float = option(0.0, "For completion tokens.", minimum=0)
    cached_input: float | None = option(
        None,
        "For prompt tokens that the vendor read from its cache; by default as `input`.",
        minimum=0,
    )
    cache_write: float | None = option(
        None,
        "For prompt tokens that the vendor wrote to its cache; by default as `input`.",
        minimum=0,
    )
    reasoning: float | None = option(
        None, "For reasoning tokens of the response; by default as `output`.", minimum=0
    )
    audio_input: float | None = option(
        None, "For prompt tokens of audio; by default as `input`.", minimum=0
    )
    audio_output: float | None = option(
        None, "For completion tokens of audio; by default as `output`.", minimum=0
    )
    image_input: float | None = option(
        None, "For prompt tokens of images; by default as `input`.", minimum=0
    )
    image_output: float | None = option(
        None, "For completion tokens of images; by default as `output`.", minimum=0
    )
    request: float = option(0.0, "For each call, in US dollars.", minimum=0)
    image: float = option(0.0, "For each image in the prompt, in US dollars.", minimum=0)
    images: tuple[ImagePrice, ...] = option(
        (),
        "For each image that is made, each `{price = DOLLARS, size = ..., quality = ...}`: the "
        "entry that says most about an image holds. An image that none is for costs as the "
        "dearest.",
    )
    second: float = option(0.0, "For each second of audio, in US dollars.", minimum=0)
    minute: float = option(
        0.0, "For each minute of audio, to the second; instead of `second`.", minimum=0
    )
    million_characters: float = option(
        0.0, "For a million characters of text that is spoken.", minimum=0
    )
    thousand_searches: float = option(
        0.0, "For a thousand searches of reranking, as the vendor counts them.", minimum=0
    )
    batch: float = option(
        0.5,
        "In a batch, all of it costs this share: 0.5 is half, 1 the same.",
        minimum=0,
        maximum=1,
    )
    tiers: tuple[PriceTier, ...] = option(
        (),
        "Other prices for long prompts, each `{above = TOKENS, input = ..., output = ..., ...}`: "
        "they apply to the whole call if its prompt has more tokens. Whatever a tier leaves out is "
        "as above.",
    )


SECTIONS: Mapping[str, type] = {
    "server": ServerOptions,
    "cors": CorsOptions,
    "database": DatabaseOptions,
    "ledger": LedgerOptions,
    "redis": RedisOptions,
    "auth": AuthOptions,
    "limits": LimitsOptions,
    "routing": RoutingOptions,
    "pricing": PricingOptions,
    "log": LogOptions,
    "metrics": MetricsOptions,
    "otel": OtelOptions,
    "memory": MemoryOptions,
    "responses": ResponsesOptions,
    "passthrough": PassthroughOptions,
    "batches": BatchOptions,
    "cache": CacheOptions,
    "request_log": RequestLogOptions,
    "validation": ValidationOptions,
}
"""The tables that stand once in a file."""

NAMED_SECTIONS: Mapping[str, type] = {
    "providers": ProviderOptions,
    "routes": RouteOptions,
    "targets": TargetOptions,
    "plans": PlanOptions,
    "prices": PriceOptions,
}
"""The tables of which there are many, each with a name."""

AT_START = frozenset(
    {
        "server",
        "database",
        "ledger",
        "redis",
        "limits",
        "log",
        "otel",
        "memory",
        "cache.max_bytes",
        "request_log",
        "auth.jwt_secret",
        "auth.jwt_expires_in",
        "auth.bcrypt_rounds",
        "auth.first_admin",
        "auth.key_cache_seconds",
    }
)
"""Tables, and options of others, that are read at the start and not when the file is reloaded."""


def file_schema() -> dict[str, Any]:
    """The JSON Schema of a whole router.toml, without what plugins declare."""
    sections = {name: table_schema(section) for name, section in SECTIONS.items()}
    named = {
        # the plugin of a provider checks the rest of its table
        name: table_schema(section, closed=section is not ProviderOptions)
        for name, section in NAMED_SECTIONS.items()
    }
    return {
        "type": "object",
        "properties": sections
        | {
            name: {"type": "object", "additionalProperties": schema}
            for name, schema in named.items()
        },
        "additionalProperties": False,
    }
