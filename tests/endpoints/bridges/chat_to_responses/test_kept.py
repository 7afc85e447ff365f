"""What is kept of reasoning, and for whom."""

from tests.endpoints.bridges.chat_to_responses.asked import call, thought
from tornado_router.endpoints.bridges.chat_to_responses.kept import (
    keep_items,
    kept_item,
    recall_items,
)


def test_what_is_encrypted_is_kept_without_its_id():
    assert kept_item(thought("Hm.")) == {
        "type": "reasoning",
        "summary": [{"type": "summary_text", "text": "Hm."}],
        "encrypted_content": "abc",
    }
    assert kept_item(thought("Hm.", None)) is None


def test_what_was_kept_comes_back_to_the_same_model():
    asked = call()
    keep_items(asked, "call_1", [kept_item(thought(""))])
    later = call(memory=asked.kept)
    assert recall_items(later, "call_1") == [kept_item(thought(""))]
    assert recall_items(later, "call_2") == []
    later.model = "another"
    assert recall_items(later, "call_1") == []
