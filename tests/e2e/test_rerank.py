"""`POST /v1/rerank`, as clients of Cohere and of Jina send it."""

import openai
import pytest

pytestmark = pytest.mark.sqlite_suffices

BODY = {"query": "capital of France", "documents": ["Horses", "Paris is the capital of France"]}


def rerank(client, **fields):
    return client.post("/rerank", body={**BODY, **fields}, cast_to=object)


def test_the_vendors_order_passes_through(client, router, upstream, request_id):
    asked = {**BODY, "model": "ok", "top_n": 1}
    options = {"headers": {"x-request-id": request_id}}
    made = client.post("/rerank", body=asked, cast_to=object, options=options)
    assert made["results"] == [{"index": 1, "relevance_score": 0.75}]
    assert upstream.exchange()["path"].endswith("/v1/rerank")
    row = router.usage(request_id)
    assert (row["endpoint"], row["status"]) == ("rerank", 200)
    assert (row["searches"], row["usage_estimated"]) == (1, 0)


def test_documents_are_put_in_where_the_vendor_leaves_them_out(client):
    made = rerank(client, model="ok", return_documents=True)
    assert made["results"][0]["document"] == {"text": BODY["documents"][1]}


def test_the_echo_needs_no_vendor(client):
    made = rerank(client, model="echo")
    assert [item["index"] for item in made["results"]] == [1, 0]


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"documents": []}, "documents"),
        ({"documents": ["x", 5]}, "documents[1]"),
        ({"query": ""}, "query"),
        ({"top_n": 0}, "top_n"),
        ({"stream": True}, "stream"),
    ],
)
def test_an_invalid_request_names_the_field(client, upstream, fields, param):
    with pytest.raises(openai.BadRequestError) as refused:
        rerank(client, model="ok", **fields)
    assert refused.value.param == param
    assert upstream.exchanges() == []
