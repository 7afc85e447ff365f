"""`POST /v1/responses` by the official SDK: conversations that go on, and the background."""

import json

import openai
import pytest

from ..support import poll
from ..upstream import TEXT

pytestmark = pytest.mark.sqlite_suffices


def asked(upstream):
    """The messages of each request that the vendor got, by who says what."""
    return [
        [(message["role"], message["content"]) for message in json.loads(it["body"])["messages"]]
        for it in upstream.exchanges()
    ]


@pytest.mark.parametrize("stream", [False, True])
def test_a_conversation_goes_on_by_the_ids_of_its_responses(client, upstream, stream):
    previous = openai.omit
    for text in ("One?", "Two?", "Three?"):
        made = client.responses.create(
            model="ok", input=text, previous_response_id=previous, stream=stream
        )
        if stream:
            made = list(made)[-1].response
        assert made.output_text == TEXT
        assert made.previous_response_id == (previous or None)
        previous = made.id
    *_, last = asked(upstream)
    said = ("assistant", TEXT)
    assert last == [("user", "One?"), said, ("user", "Two?"), said, ("user", "Three?")]


def test_what_is_not_to_be_stored_is_not(client):
    made = client.responses.create(model="echo", input="Hi", store=False)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(made.id)
    with pytest.raises(openai.BadRequestError) as caught:
        client.responses.create(model="echo", input="And?", previous_response_id=made.id)
    assert caught.value.code == "previous_response_not_found"


def test_a_response_is_read_again_as_it_was(client):
    made = client.responses.create(model="echo", input="Hi", metadata={"a": "b"})
    again = client.responses.retrieve(made.id)
    assert again.output_text == made.output_text == "Hi"
    assert (again.metadata, again.usage) == (made.metadata, made.usage)
    (item,) = client.responses.input_items.list(made.id).data
    assert item.content[0].text == "Hi"
    client.responses.delete(made.id)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(made.id)


def test_the_background_is_polled(client, router, upstream):
    made = client.responses.create(model="ok", input="Hi", background=True)
    assert made.status == "queued"
    done = poll(lambda: (it := client.responses.retrieve(made.id)).status != "queued" and it)
    assert (done.status, done.output_text, done.id) == ("completed", TEXT, made.id)
    assert done.usage.total_tokens == 18
    again = client.responses.create(model="ok", input="And?", previous_response_id=made.id)
    assert (again.output_text, again.previous_response_id) == (TEXT, made.id)
    assert asked(upstream)[-1] == [("user", "Hi"), ("assistant", TEXT), ("user", "And?")]


def test_what_fails_in_the_background_says_why(client):
    made = client.responses.create(model="up/status:500", input="Hi", background=True)
    done = poll(lambda: (it := client.responses.retrieve(made.id)).status != "queued" and it)
    assert done.status == "failed"
    assert done.error.message


def test_the_background_can_be_cancelled(client, upstream):
    made = client.responses.create(model="hang", input="Hi", background=True)
    poll(upstream.exchanges)
    assert client.responses.cancel(made.id).status == "cancelled"
    assert client.responses.retrieve(made.id).status == "cancelled"
    assert poll(lambda: upstream.exchange()["cut"])
    foreground = client.responses.create(model="echo", input="Hi")
    with pytest.raises(openai.BadRequestError):
        client.responses.cancel(foreground.id)


def test_the_background_needs_a_place(client):
    with pytest.raises(openai.BadRequestError) as caught:
        client.responses.create(model="echo", input="Hi", background=True, store=False)
    assert caught.value.param == "background"


def test_what_is_too_large_for_the_background_is_refused(client):
    with pytest.raises(openai.BadRequestError) as caught:
        client.responses.create(model="echo", input="x" * 5_000_000, background=True)
    assert caught.value.param == "background"


def test_a_stop_leaves_the_background_failed(router_project, upstream):
    text = f"""
[server]
port = 0
shutdown_seconds = 0.5
[providers.up]
type = "openai"
api_key = "k"
base_url = "{upstream.url}/v1"
"""
    project = router_project({"router.toml": text})
    router = project.serve()
    with openai.OpenAI(base_url=router.url, api_key=router.key, max_retries=0) as client:
        made = client.responses.create(model="up/hang", input="Hi", background=True)
        poll(upstream.exchanges)
    key = router.key
    router.stop()
    router = project.serve()
    with openai.OpenAI(base_url=router.url, api_key=key, max_retries=0) as client:
        assert client.responses.retrieve(made.id).status == "failed"


def test_what_is_refused_is_not_made_in_the_background(client):
    """The client learns it at once, as of any other call, and there is nothing to poll."""
    with pytest.raises(openai.NotFoundError) as caught:
        client.responses.create(model="no-such-model", input="Hi", background=True)
    assert caught.value.code == "model_not_found"
    with pytest.raises(openai.BadRequestError) as refused:
        client.responses.create(
            model="echo", input="Hi", background=True, previous_response_id="resp_none"
        )
    assert refused.value.code == "previous_response_not_found"


def test_a_response_that_is_deleted_is_not_made_any_more(client, upstream):
    made = client.responses.create(model="hang", input="Hi", background=True)
    poll(upstream.exchanges)
    client.responses.delete(made.id)
    assert poll(lambda: upstream.exchange()["cut"])


def test_a_kept_response_is_streamed_again(client):
    made = client.responses.create(model="echo", input="Hi")
    events = list(client.responses.retrieve(made.id, stream=True))
    assert events[-1].response.output_text == "Hi"
    assert [event.sequence_number for event in events] == list(range(len(events)))
    later = list(client.responses.retrieve(made.id, stream=True, starting_after=3))
    assert later == events[4:]
    (last,) = client.responses.retrieve(made.id, stream=True, starting_after=1000)
    assert last == events[-1], "it has all that the client may lack"


def test_the_background_is_followed_as_a_stream(client, upstream):
    made = client.responses.create(model="up/hang", input="Hi", background=True)
    poll(upstream.exchanges)
    with client.responses.retrieve(made.id, stream=True) as stream:
        events = iter(stream)
        assert [next(events).type for _ in range(2)] == ["response.created", "response.in_progress"]
        client.responses.cancel(made.id)
        (last,) = events
    assert (last.type, last.response.status) == ("response.incomplete", "cancelled")
    done = client.responses.create(model="ok", input="Hi", background=True)
    *_, last = client.responses.retrieve(done.id, stream=True)
    assert (last.type, last.response.output_text) == ("response.completed", TEXT)
