import pytest

from tornado_router.testing.recordings import (
    DEFAULT_REQUESTS,
    RecordingError,
    load,
    parse_http,
)

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "chat.completions").mkdir()
    return tmp_path


def put(folder, **files):
    for name, content in files.items():
        path = folder / "chat.completions" / name.replace("__", ".")
        path.write_bytes(content)


class TestParsing:
    def test_status_headers_and_body(self):
        response = parse_http(b"HTTP/2 429 \r\nretry-after: 7\r\nX-A: b: c\r\n\r\n{\r\n\r\n}")
        assert response.status == 429
        assert response.headers["Retry-After"] == "7"
        assert response.headers["x-a"] == "b: c"
        assert response.body == b"{\r\n\r\n}"

    def test_lines_may_end_as_git_left_them(self):
        response = parse_http(b"HTTP/1.1 200 OK\nA: b\n\ndata: 1\n\n")
        assert (response.status, response.body) == (200, b"data: 1\n\n")

    def test_interim_answers_are_passed_over(self):
        head = b"HTTP/1.1 200 Connection established\r\n\r\nHTTP/1.1 100 Continue\r\nA: b\r\n\r\n"
        assert parse_http(head + b"HTTP/1.1 404 Not Found\r\n\r\nx").status == 404

    def test_no_headers_and_no_body(self):
        assert parse_http(b"HTTP/1.1 500 Oh\r\n\r\n").body == b""

    def test_anything_else_says_how_to_record(self):
        with pytest.raises(RecordingError, match="curl -i"):
            parse_http(b'{"id": 1}')


class TestFolder:
    def test_whole_stream_and_request_of_one_name(self, folder):
        put(
            folder,
            hello__http=OK + b"{}",
            hello__stream__http=OK + b"data: 1\n\n",
            hello__request__json=b'{"model": "m", "messages": [], "stream": true}',
        )
        stream, whole = sorted(load(folder), key=lambda item: not item.streamed)
        assert (whole.id, stream.id) == ("hello", "hello.stream")
        assert whole.request == stream.request == {"model": "m", "messages": []}
        assert stream.body == b"data: 1\n\n"

    def test_somebody_says_hello_where_no_request_is(self, folder):
        put(folder, error__http=b"HTTP/1.1 500 Oh\r\n\r\n")
        (recording,) = load(folder)
        assert recording.request == DEFAULT_REQUESTS["chat.completions"]
        assert recording.failed

    def test_name_makes_an_error_of_a_stream_that_began_well(self, folder):
        put(folder, **{"error-late__stream__http": OK, "good__http": OK})
        assert [item.failed for item in load(folder)] == [True, False]

    def test_request_without_answer_is_for_the_provider_itself(self, folder):
        put(folder, hello__request__json=b'{"model": "m", "messages": []}')
        assert [(item.streamed, item.response) for item in load(folder)] == [
            (False, None),
            (True, None),
        ]

    @pytest.mark.parametrize(
        ("name", "content", "message"),
        [
            ("a__http", b"{}", "a.http: it does not begin with a status line"),
            ("a__request__json", b"{", "a.request.json is not JSON"),
            ("a__request__json", b"[]", "a.request.json is not a JSON object"),
        ],
    )
    def test_fault_names_its_file(self, folder, name, content, message):
        put(folder, **{name: content})
        with pytest.raises(RecordingError, match=message):
            load(folder)

    def test_endpoint_that_the_kit_knows_no_request_of_needs_one(self, tmp_path):
        (tmp_path / "images.edits").mkdir()
        (tmp_path / "images.edits" / "a.http").write_bytes(OK)
        with pytest.raises(RecordingError, match=r"needs a a\.request\.json"):
            load(tmp_path)

    def test_folder_has_to_exist(self, tmp_path):
        with pytest.raises(RecordingError, match="is not a folder"):
            load(tmp_path / "none")

    def test_without_a_folder_there_are_requests_alone(self):
        found = load(None)
        assert {item.endpoint for item in found} == set(DEFAULT_REQUESTS)
        assert not any(item.response for item in found)
