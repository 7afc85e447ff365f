"""Commands that send what they are meant to send, whatever is in it."""

import json
import shlex

from tornado_router.http.openapi.curl import curl_commands, sent_by

FORM = "multipart/form-data"


def split(command):
    """The words of a command, whose lines a shell would join."""
    return shlex.split(command.replace("\\\n", ""))


def words(media, value, files=frozenset()):
    examples = {"x": {"summary": "X", "value": value}}
    sent = sent_by(media, examples, files)
    ((title, command),) = curl_commands("post", "/v1/x", [], "API_KEY", sent)
    assert title == "X"
    found = split(command)
    assert found[:2] == ["curl", "$BASE_URL/v1/x"]
    assert found[2:4] == ["-H", "Authorization: Bearer $API_KEY"]
    return found[4:]


def test_json_is_quoted():
    value = {"model": "m", "text": "it's", "stream": True}
    *head, data = words("application/json", value)
    assert head == ["--no-buffer", "-H", "Content-Type: application/json", "-d"]
    assert json.loads(data) == value


def test_a_form_is_sent_field_by_field():
    value = {"model": "m", "file": "a.mp3", "image": ["a.png", "b.png"], "n": 2, "stream": True}
    assert words(FORM, value, {"file", "image"}) == [
        "--no-buffer",
        *("-F", "model=m"),
        *("-F", "file=@a.mp3"),
        *("-F", "image[]=@a.png"),
        *("-F", "image[]=@b.png"),
        *("-F", "n=2"),
        *("-F", "stream=true"),
    ]


def test_without_a_body_or_a_key():
    parameters = [{"in": "path", "name": "id", "example": 7, "schema": {}}]
    ((_, command),) = curl_commands("post", "/x/{id}", parameters, "", {})
    assert split(command) == ["curl", "$BASE_URL/x/7", "-X", "POST"]
