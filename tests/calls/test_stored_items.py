"""Items that a request names by their ids: whoever made them gets them, and their user alone."""

import itertools
import json

import openai
import pytest

from tornado_router.storage.tables import StoredItem, StoredResponse
from tornado_router.testing import running_router, running_vendor
from tornado_router.testing.vendors import json_response

pytestmark = pytest.mark.sqlite_suffices

ROUTER_TOML = """
[auth]
bcrypt_rounds = 4
[providers.echo]
type = "echo"
models = ["echo"]
[providers.a]
type = "openai"
api_key = "sk-a"
base_url = "{url}/a"
responses = true
models = ["m"]
[providers.b]
type = "openai"
api_key = "sk-b"
base_url = "{url}/b"
responses = true
models = ["m"]
[routes.both]
targets = ["a/m", "b/m"]
[routing]
retries = 0
[prices]
"*/*" = {{ input = 1, output = 1 }}
"""

numbers = itertools.count(1)


def respond(request):
    """As OpenAI does with `store`: reasoning that only its id stands for, and a message."""
    if request.json.get("input") == "fail":
        return json_response({"error": {"message": "Down."}}, 500)
    number = next(numbers)
    text = {"type": "output_text", "text": "Yes.", "annotations": []}
    items = [
        {"type": "reasoning", "id": f"rs_{number}", "summary": []},
        {
            **{"type": "message", "id": f"msg_{number}", "status": "completed"},
            **{"role": "assistant", "content": [text]},
        },
    ]
    usage = {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2}
    return json_response(
        {
            **{"id": f"resp_{number}", "object": "response", "created_at": 1, "model": "m"},
            **{"status": "completed", "output": items, "usage": usage, "tools": []},
            **{"parallel_tool_calls": True, "tool_choice": "auto"},
        }
    )


@pytest.fixture(scope="module")
def vendor():
    with running_vendor(respond) as vendor:
        yield vendor


@pytest.fixture(scope="module")
def router(vendor, tmp_path_factory):
    toml = ROUTER_TOML.format(url=vendor.url)
    with running_router(toml, tmp_path_factory.mktemp("router")) as router:
        yield router


@pytest.fixture
def client(router, vendor):
    vendor.requests.clear()
    return router.openai()


@pytest.fixture(scope="module")
def other(router):
    return router.openai(router.create_key("ben@example.com"))


def user(text):
    return {"role": "user", "content": text}


def reference(item, kind="item_reference"):
    return {"type": kind, "id": item.id} if kind else {"id": item.id}


def ask(client, model, *items, **fields):
    return client.responses.create(model=model, input=[*items, user("And?")], **fields)


def went(vendor):
    """Where the last request went, and its input without the last item."""
    request = vendor.requests[-1]
    return request.path[1], request.json["input"][:-1]


@pytest.mark.parametrize("kind", ["item_reference", None])
def test_a_vendor_that_keeps_an_item_gets_its_reference(client, vendor, kind):
    for provider in ("a", "b", "a"):
        made = client.responses.create(model=f"{provider}/m", input="Hi")
        references = [reference(item, kind) for item in made.output]
        again = ask(client, "both", *references)
        assert went(vendor) == (provider, references)
        ask(client, "both", reference(made.output[0]), reference(again.output[1]))
        assert went(vendor)[0] == provider


def test_what_the_router_keeps_is_there_for_any_vendor(client, vendor):
    made = client.responses.create(model="echo", input="Hello")
    (message,) = made.output
    ask(client, "b/m", user("x"), reference(message))
    _, (_, item) = went(vendor)
    assert (item["role"], item["content"][0]["text"]) == ("assistant", "Hello")
    assert "id" not in item, "no vendor knows ids of others"
    kept = client.responses.create(model="echo", input=[reference(message), user("Bye")])
    ask(client, "a/m", previous_response_id=kept.id)
    _, items = went(vendor)
    assert items[0]["content"][0]["text"] == "Hello"


@pytest.mark.parametrize("stream", [False, True])
def test_the_background_and_streams_are_found_too(client, vendor, stream):
    if stream:
        made = list(client.responses.create(model="echo", input="Hi", stream=True))[-1].response
    else:
        made = client.responses.create(model="echo", input="Hi", background=True)
        while made.status in ("queued", "in_progress"):
            made = client.responses.retrieve(made.id)
    ask(client, "a/m", reference(made.output[0]))
    _, (item,) = went(vendor)
    assert item["content"][0]["text"] == "Hi"


def test_thoughts_go_to_their_maker_first_and_to_no_other(client, vendor):
    made = client.responses.create(model="b/m", input="Hi")
    thought, message = (item.to_dict() for item in made.output)
    ask(client, "both", thought, message)
    assert went(vendor) == ("b", [thought, message])
    raw = client.responses.with_raw_response.create(
        model="a/m", input=[thought, message, user("And?")]
    )
    assert went(vendor) == ("a", [message])
    assert raw.headers["x-router-dropped-params"] == "input[0]"
    unknown = {**thought, "id": "rs_of_tomorrow"}
    ask(client, "a/m", unknown)
    assert went(vendor) == ("a", [unknown])


def refused(vendor, call, *arguments, **fields):
    """The error of a call that costs nothing, as no vendor is asked."""
    asked = len(vendor.requests)
    with pytest.raises(openai.APIStatusError) as caught:
        call(*arguments, **fields)
    assert len(vendor.requests) == asked
    error = caught.value
    return error.status_code, error.code, error.param


def test_items_of_others_are_not_there(client, other, vendor):
    made = client.responses.create(model="a/m", input="Hi")
    kept = client.responses.create(model="echo", input="Hi")
    missing = (404, "item_not_found", "input[1].id")
    for item in (*made.output, *kept.output):
        assert refused(vendor, ask, other, "a/m", user("x"), reference(item)) == missing
        assert refused(vendor, ask, other, "echo", user("x"), reference(item)) == missing
    thought = made.output[0].to_dict()
    for forged in ({}, {"encrypted_content": "tr1.000000000000."}):
        ask(other, "a/m", {**thought, **forged})
        assert went(vendor) == ("a", [])


@pytest.mark.parametrize("item_id", ["msg_of_tomorrow", "", "\0", "x" * 200])
def test_what_is_not_there_is_refused_by_name(client, vendor, item_id):
    sent = {"type": "item_reference", "id": item_id}
    assert refused(vendor, ask, client, "a/m", sent) == (404, "item_not_found", "input[0].id")


def test_what_one_provider_alone_has_is_refused_for_others(client, vendor):
    first = client.responses.create(model="a/m", input="Hi")
    second = client.responses.create(model="b/m", input="Hi")
    one, two = reference(first.output[1]), reference(second.output[1])
    code = "previous_response_not_found"
    assert refused(vendor, ask, client, "b/m", one) == (400, code, "input[0].id")
    assert refused(vendor, ask, client, "echo", one) == (400, code, "input[0].id")
    elsewhere = (404, "item_not_found", "input[1].id")
    assert refused(vendor, ask, client, "both", one, two) == elsewhere
    previous = {"previous_response_id": first.id}
    assert refused(vendor, ask, client, "both", user("x"), two, **previous) == elsewhere
    assert refused(vendor, ask, client, "both", one, one) == (400, "invalid_value", "input[1].id")
    ask(client, "both", one, **previous)
    assert went(vendor) == ("a", [one])


def test_an_item_goes_with_its_response(client, vendor, router):
    made = client.responses.create(model="echo", input="Hi")
    client.responses.delete(made.id)
    status, *_ = refused(vendor, ask, client, "a/m", reference(made.output[0]))
    assert status == 404

    def orphans():
        kept = StoredResponse.select(StoredResponse.id)
        return StoredItem.select().where(StoredItem.stored_id.not_in(kept)).count()

    assert router.process.storage.call(orphans) == 0


def test_the_bytes_of_all_else_stay(client, vendor, router):
    made = client.responses.create(model="a/m", input="Hi")
    sent = json.dumps(
        {"model": "a/m", "input": [reference(made.output[1])], "metadata": {"k": "\u00fc"}}
    )
    router.request("POST", "/v1/responses", sent.encode())
    assert b'{"k": "\\u00fc"}' in vendor.requests[-1].body


def test_what_a_count_goes_on_from_is_counted_and_its_users_own(client, other, vendor):
    count = client.responses.input_tokens.count
    made = client.responses.create(model="echo", input="Hello, all of you out there. " * 20)
    alone = count(model="echo", input="And?").input_tokens
    item = [reference(made.output[0])]
    assert count(model="echo", input=[*item, user("And?")]).input_tokens > alone + 50
    after = count(model="echo", input="And?", previous_response_id=made.id).input_tokens
    assert after > alone + 100
    others = other.responses.input_tokens.count
    missing = (404, "item_not_found", "input[0].id")
    assert refused(vendor, others, model="echo", input=item) == missing
    status, code, _ = refused(vendor, others, model="a/m", input="x", previous_response_id=made.id)
    assert (status, code) == (400, "previous_response_not_found")
