"""A path that is not served: of another API, or one that a base URL has spoilt."""

import pytest

from tornado_router.endpoints import ANTHROPIC, ENDPOINTS, OPENAI
from tornado_router.http.unknown_paths import dialect_of, unknown_path


@pytest.mark.parametrize(
    ("path", "meant"),
    [
        ("/chat/completions", "/v1/chat/completions"),
        ("/v1/v1/chat/completions", "/v1/chat/completions"),
        ("/v1/chat/completions/", "/v1/chat/completions"),
        ("/v1//chat/completions", "/v1/chat/completions"),
        ("//v1/chat/completions", "/v1/chat/completions"),
        ("/v1/chat//completions", "/v1/chat/completions"),
        ("/v1/models/", "/v1/models"),
        ("/api/v1/embeddings", "/v1/embeddings"),
        ("/openai/deployments/blue/chat/completions", "/v1/chat/completions"),
        ("/V1/models", "/v1/models"),
        ("/models", "/v1/models"),
        ("/v1/v1/moderations", "/v1/moderations"),
    ],
)
def test_a_base_url_that_is_not_right(path, meant):
    error = unknown_path("POST", path)
    assert (error.status, error.code) == (404, "unknown_url")
    assert error.message.startswith(f"Invalid URL (POST {path}). Did you mean {meant}?")


@pytest.mark.parametrize(
    ("path", "meant"),
    [
        ("/v1/chat/completion", "/v1/chat/completions"),
        ("/v1/embedings", "/v1/embeddings"),
        ("/v1/keys", "/v1/key"),
    ],
)
def test_a_slip_of_the_pen(path, meant):
    error = unknown_path("POST", path)
    assert error.code == "unknown_url"
    assert error.message == f"Invalid URL (POST {path}). Did you mean {meant}?"


@pytest.mark.parametrize(
    "path",
    [
        "/v1/assistants",
        "/v1/batches/batch_1",
        "/v1/files",
        "/v1/fine_tuning/jobs",
        "/v1/organization/costs",
        "/v1/vector_stores",
        "/v1/chat/completions/chatcmpl_1/messages",
    ],
)
@pytest.mark.parametrize("prefix", ["", "/v1"])
def test_an_endpoint_that_the_router_has_not(path, prefix):
    error = unknown_path("POST", prefix + path)
    assert (error.status, error.code) == (404, "endpoint_not_served")
    assert error.message.startswith(f"This router does not serve {path}")
    assert ". It serves /v1/" in error.message
    assert all(f"{endpoint.path}," in error.message for endpoint in ENDPOINTS.values())
    assert error.message.endswith("/v1/models.")


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/files", "Did you mean /v1/files? "),
        ("/v1/v1/files/file-1/content", "Did you mean /v1/files/file-1/content? "),
        ("/v1/files/", "Did you mean /v1/files? "),
        ("/v1/files/a%2fb", ""),
        ("/v1/files//x", "Did you mean /v1/files/x? "),
        ("/v1/fine_tuning/jobs/x", "Did you mean"),
        ("/v1/fine_tuning/checkpoints", "This router does not serve /v1/fine_tuning/checkpoints."),
        ("/v1/filesystem", ""),
        ("/v1/organization/costs", "It serves /v1/"),
    ],
)
def test_what_is_passed_on_is_known_here_too(path, message):
    error = unknown_path("GET", path, ["/v1/files"])
    if not message:
        assert error.message == f"Invalid URL (GET {path})"
    elif path == "/v1/fine_tuning/jobs/x":
        assert error.code == "endpoint_not_served"
        assert "/v1/files, /v1/models" in error.message
    else:
        assert message in error.message


@pytest.mark.parametrize(
    ("path", "passed", "option"),
    [
        ("/v1/files", [], "[passthrough] provider is not set, nor is [batches] by_router on."),
        ("/v1/videos/video_1", [], "[passthrough] provider is not set."),
        ("/v1/videos", ["/v1/files"], "[passthrough] paths do not list it."),
    ],
)
def test_what_could_be_passed_on_is_said_with_its_option(path, passed, option):
    error = unknown_path("GET", path, passed)
    assert (error.status, error.code) == (404, "endpoint_not_served")
    assert f"This router does not serve {path}: in its router.toml, {option}" in error.message


@pytest.mark.parametrize("path", ["/", "/v1", "/v1/chat", "/nope", "/auth/files", "//", ""])
def test_a_path_of_no_api(path):
    error = unknown_path("GET", path)
    assert (error.code, error.message) == ("unknown_url", f"Invalid URL (GET {path})")


def test_a_long_path_is_cut():
    assert len(unknown_path("GET", "/v1/files/" + "x" * 5000).message) < 700


@pytest.mark.parametrize(
    ("path", "headers", "dialect"),
    [
        ("/v1/messages/batches", {}, ANTHROPIC),
        ("/v1/messages/", {}, ANTHROPIC),
        ("/anthropic/v1/messages", {}, ANTHROPIC),
        ("/v1/files", {"Anthropic-Version": "2023-06-01"}, ANTHROPIC),
        ("/v1/files", {}, OPENAI),
        ("/v1/chat/completions/1/messages", {}, OPENAI),
        ("/", {}, OPENAI),
    ],
)
def test_it_is_told_in_the_form_of_its_api(path, headers, dialect):
    assert dialect_of(path, headers) is dialect
