"""What a vendor has made, by its responses."""

import pytest

from tornado_router.endpoints.made_resources import Thing, beside, created, id_of
from tornado_router.endpoints.passed_paths import read_path

FILE = {"id": "file-1", "object": "file", "expires_at": 1_900_000_000}


@pytest.mark.parametrize(
    ("method", "path", "body", "thing"),
    [
        ("POST", "/v1/files", FILE, Thing("file-1", "files", 1_900_000_000)),
        ("POST", "/v1/threads", {"id": "thread_1"}, Thing("thread_1", "threads")),
        (
            "POST",
            "/v1/vector_stores",
            {"id": "vs_1", "object": "vector_store", "expires_at": 1_900_000_000},
            Thing("vs_1", "vector_stores"),
        ),
        ("POST", "/upload/v1beta/files", {"file": {"name": "files/abc"}}, Thing("abc", "files")),
        (
            "POST",
            "/v1beta/cachedContents",
            {"name": "cachedContents/a"},
            Thing("a", "cachedContents"),
        ),
        ("GET", "/v1/files/file-1", FILE, None),
        ("POST", "/v1/files/file-1", FILE, None),
        ("POST", "/v1/messages", {"id": "msg_1"}, None),
        ("POST", "/v1beta/models/g:generateContent", {"id": "x"}, None),
        ("POST", "/v1/files", {"id": 7}, None),
        ("POST", "/v1/files", {}, None),
    ],
)
def test_what_a_request_has_made(method, path, body, thing):
    assert created(method, read_path(path), body) == thing


@pytest.mark.parametrize(
    ("path", "body", "ids"),
    [
        ("/v1/uploads/upload_1/complete", {"object": "upload", "file": FILE}, ["file-1"]),
        (
            "/v1/fine_tuning/jobs/ftjob-1",
            {"object": "fine_tuning.job", "id": "ftjob-1", "result_files": ["file-2", 3]},
            ["file-2"],
        ),
        (
            "/v1/batches/batch_1",
            {"object": "batch", "id": "batch_1", "output_file_id": "f", "error_file_id": None},
            ["f"],
        ),
        ("/v1/videos/video_1/remix", {"object": "video", "id": "video_2"}, ["video_2"]),
        ("/v1/videos/video_1", {"object": "video", "id": "video_1"}, []),
        ("/v1/threads/runs", {"object": "thread.run", "thread_id": "thread_1"}, ["thread_1"]),
        ("/v1/threads/t/runs", {"object": "thread.run", "thread_id": "thread_1"}, []),
        ("/v1/threads/t", {"object": "thread", "id": "t", "metadata": {"file": FILE}}, []),
        ("/v1/threads/t", {"object": ["thread"], "id": "u"}, []),
    ],
)
def test_what_has_come_to_be_beside_it(path, body, ids):
    assert [thing.id for thing in beside(read_path(path), body)] == ids


def test_ids_of_items():
    assert [id_of(item) for item in ({"id": "a"}, {"name": "files/b"}, {"id": 1}, {}, "x")] == [
        "a",
        "b",
        "",
        "",
        "",
    ]
