"""Reranking of the echo."""

from tornado_router_echo.rerank import rerank

BODY = {
    "query": "the capital of France",
    "documents": ["Horses", {"text": "Paris, the capital of France"}, "of the sea"],
}


def test_what_has_most_words_of_the_query_comes_first():
    results = rerank(BODY)["results"]
    assert [result["index"] for result in results] == [1, 2, 0]
    assert [result["relevance_score"] for result in results] == [1.0, 0.5, 0.0]
    assert "document" not in results[0]


def test_the_best_with_their_documents():
    results = rerank({**BODY, "top_n": 2, "return_documents": True})["results"]
    assert [result["document"] for result in results] == [
        BODY["documents"][1],
        {"text": "of the sea"},
    ]
