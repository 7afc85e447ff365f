"""`POST /v1/moderations` by the official SDK: passed through, and free of charge."""

import json

import openai
import pytest

pytestmark = pytest.mark.sqlite_suffices


def test_a_text(client, router, upstream):
    done = client.moderations.create(model="ok", input="hello")
    assert [result.flagged for result in done.results] == [False]
    assert json.loads(upstream.exchange()["body"]) == {"model": "ok", "input": "hello"}
    row = router.usage(done._request_id)
    assert (row["endpoint"], row["status"]) == ("moderations", 200)
    assert (row["prompt_tokens"], row["completion_tokens"], row["usage_estimated"]) == (0, 0, 0)


def test_several_texts(client):
    assert len(client.moderations.create(model="ok", input=["a", "b"]).results) == 2


def test_the_default_model_is_that_of_openai(client, router, upstream):
    done = client.moderations.create(input="hello")
    exchange = upstream.exchange()
    assert exchange["path"].endswith("/v1/moderations")
    assert json.loads(exchange["body"]) == {"input": "hello", "model": "ok"}
    assert router.usage(done._request_id)["model"] == "omni-moderation-latest"


def test_no_answer_of_the_echo_is_a_judgement(client):
    done = client.moderations.create(model="echo", input=["flag violence", "hello"])
    assert [result.flagged for result in done.results] == [True, False]
    assert done.results[0].categories.violence is True
    assert done.results[0].category_scores.violence == 1
    assert done.results[0].categories.hate is False


def test_an_image(client):
    given = [
        {"type": "text", "text": "x"},
        {"type": "image_url", "image_url": {"url": "https://example.com/cat.png"}},
    ]
    (result,) = client.moderations.create(model="echo", input=given).results
    assert result.category_applied_input_types.violence == ["image", "text"]


def test_nothing_is_judged_as_a_whole(client):
    assert [r.flagged for r in client.moderations.create(model="echo", input=[]).results] == [False]


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "input"),
        ({"input": 5}, "input"),
        ({"input": "x", "model": 5}, "model"),
        ({"input": [{"type": "text"}]}, "input[0].text"),
        ({"input": "x", "stream": True}, "stream"),
    ],
)
def test_an_invalid_request_names_the_field(client, upstream, body, param):
    with pytest.raises(openai.BadRequestError) as refused:
        client.post("/moderations", body=body, cast_to=object)
    assert refused.value.param == param
    assert upstream.exchanges() == []


def test_a_provider_without_it_is_not_asked(client, upstream):
    with pytest.raises(openai.BadRequestError) as refused:
        client.moderations.create(model="chatty/ok", input="x")
    assert refused.value.code == "unsupported_endpoint"
    assert upstream.exchanges() == []
