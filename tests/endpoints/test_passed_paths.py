"""Paths that are passed on: read strictly, and written as they were read."""

import pytest

from tornado_router.endpoints.passed_paths import NEVER, read_path, read_rule


@pytest.mark.parametrize(
    ("path", "collection", "owned", "inner", "model"),
    [
        ("/v1/files", "files", "", (), ""),
        ("/v1/files/file-1/content", "files", "file-1", ("content",), ""),
        ("/v1/vector_stores/vs_1/files/file-2", "vector_stores", "vs_1", ("files", "file-2"), ""),
        ("/v1/fine_tuning/jobs/ftjob-1/cancel", "fine_tuning/jobs", "ftjob-1", ("cancel",), ""),
        ("/v1/threads/runs", "threads/runs", "", (), ""),
        ("/v1/messages/batches/msgbatch_1", "messages/batches", "msgbatch_1", (), ""),
        ("/v1/videos/tomorrow", "videos", "tomorrow", (), ""),
        ("/v1beta/models/gemini-2:generateContent", "models", "", (), "gemini-2"),
        ("/upload/v1beta/files", "files", "", (), ""),
        ("/v1beta/batches/abc:cancel", "batches", "abc", ("cancel",), ""),
    ],
)
def test_what_a_path_names(path, collection, owned, inner, model):
    found = read_path(path)
    assert found[1:] == (collection, owned, inner, model)
    assert found.written == path


def test_what_is_encoded_is_written_plainly():
    assert read_path("/v1/files/%66ile%2D1").written == "/v1/files/file-1"


@pytest.mark.parametrize(
    "path",
    [
        *("", "v1/files", "/", "//v1/files", "/v1//files", "/v1/files/", "/v1/../files", "/v1/."),
        *("/v1/files/%2e%2e/x", "/v1/files/a%2fb", "/v1/files/a%5cb", "/v1/files/a%00"),
        *("/v1/files/%252e", "/v1/files/a b", "/v1/files/a?b", "/v1/files/a#b", "/v1/files/%ff"),
        *("/v1/files/ä", "/v1/files/" + "x" * 300, "/v1" + "/x" * 40),
        *(f"/v1/{word}/x" for word in sorted(NEVER)),
        *("/v1/Organization/x", "/v1/files/x/admin"),
    ],
)
def test_a_path_that_could_mean_something_else_is_none(path):
    assert read_path(path) is None


def test_a_rule_says_methods_and_what_a_path_begins_with():
    rule = read_rule("GET,DELETE fine_tuning/jobs")
    assert rule == (frozenset(("GET", "DELETE")), ("fine_tuning", "jobs"))
    assert rule.holds(("fine_tuning", "jobs", "x"))
    assert not rule.holds(("fine_tuning", "jobsx"))
    assert read_rule("files").methods == frozenset()


@pytest.mark.parametrize(
    "text",
    ["", "/files", "files/", "../files", "FETCH files", "get files", "organization", "a b c"],
)
def test_what_is_no_rule(text):
    assert read_rule(text) is None
