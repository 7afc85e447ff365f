"""Calls of models that name files and what else a vendor keeps: their owner, and who has them."""

import json

import pytest

pytestmark = pytest.mark.gen_test

PLACES = [
    (
        "chat/completions",
        {
            "messages": [
                {"role": "user", "content": [{"type": "file", "file": {"file_id": "FILE"}}]}
            ]
        },
        "messages[0].content[0].file.file_id",
    ),
    (
        "responses",
        {"input": [{"role": "user", "content": [{"type": "input_file", "file_id": "FILE"}]}]},
        "input[0].content[0].file_id",
    ),
    (
        "responses",
        {
            "input": [
                {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
                {
                    "type": "function_call_output",
                    "call_id": "c",
                    "output": [{"type": "input_image", "file_id": "FILE"}],
                },
            ]
        },
        "input[1].output[0].file_id",
    ),
    (
        "responses",
        {"input": "x", "tools": [{"type": "file_search", "vector_store_ids": ["FILE"]}]},
        "tools[0].vector_store_ids[0]",
    ),
    (
        "responses",
        {"input": "x", "tools": [{"type": "code_interpreter", "container": "FILE"}]},
        "tools[0].container",
    ),
    (
        "responses",
        {
            "input": "x",
            "tools": [
                {"type": "code_interpreter", "container": {"type": "auto", "file_ids": ["FILE"]}}
            ],
        },
        "tools[0].container.file_ids[0]",
    ),
    ("responses", {"input": "x", "conversation": "FILE"}, "conversation"),
    ("responses", {"input": "x", "conversation": {"id": "FILE"}}, "conversation.id"),
    (
        "messages",
        {
            "max_tokens": 9,
            "messages": [
                {
                    "role": "user",
                    "content": [
                        {"type": "document", "source": {"type": "file", "file_id": "FILE"}}
                    ],
                }
            ],
        },
        "messages.0.content.0.source.file_id",
    ),
    (
        "messages",
        {
            "max_tokens": 9,
            "messages": [
                {"role": "user", "content": [{"type": "container_upload", "file_id": "FILE"}]}
            ],
        },
        "messages.0.content.0.file_id",
    ),
]


def named(body, name, model="any"):
    return json.loads(json.dumps({"model": model, **body}).replace("FILE", name))


@pytest.mark.parametrize(("path", "body", "param"), PLACES)
async def test_what_is_named_has_to_be_ones_own(ann, bob, file_vendor, path, body, param):
    _, made = await ann.upload()
    model = "claude/x" if path == "messages" else "any"
    seen = len(file_vendor.seen)
    for name in (made["id"], "file-" + "A1" * 12, "x"):
        code, answer = await bob.ask("POST", f"/v1/{path}", named(body, name, model))
        assert code == 404, answer
        assert param in str(answer)
        assert name in answer["error"]["message"]
    assert len(file_vendor.seen) == seen


@pytest.mark.parametrize(("path", "body", "param"), [it for it in PLACES if it[0] != "messages"])
async def test_it_leads_to_the_provider_that_keeps_it(ann, file_vendor, path, body, param):
    _, made = await ann.upload()
    response = await ann.ask("POST", f"/v1/{path}", named(body, made["id"]), raw=True)
    assert response.code == 200, response.body
    assert response.headers["x-router-target"] == "openai/gpt-4o"
    code, answer = await ann.ask("POST", f"/v1/{path}", named(body, made["id"], "elsewhere"))
    assert (code, answer["error"]["param"]) == (400, param)
    plain = {"messages": [{"role": "user", "content": "x"}]} if "chat" in path else {"input": "x"}
    response = await ann.ask("POST", f"/v1/{path}", {"model": "any", **plain}, raw=True)
    assert response.headers["x-router-target"] == "second/gpt-4o"


async def test_the_name_of_a_field_may_be_escaped_and_means_the_same(ann, bob, file_vendor):
    _, made = await ann.upload()
    path, body, _ = PLACES[0]
    raw = json.dumps(named(body, made["id"])).replace("file_id", "\\u0066ile\\u005fid").encode()
    seen = len(file_vendor.seen)
    assert (await bob.ask("POST", f"/v1/{path}", raw))[0] == 404
    assert len(file_vendor.seen) == seen
    assert (await ann.ask("POST", f"/v1/{path}", raw))[0] == 200


async def test_a_text_that_speaks_of_an_id_names_nothing(ann, bob):
    _, made = await ann.upload()
    body = {"model": "any", "messages": [{"role": "user", "content": made["id"]}]}
    body["tools"] = [
        {
            "type": "function",
            "function": {
                "name": "f",
                "parameters": {
                    "type": "object",
                    "properties": {"file_id": {"type": "string", "default": made["id"]}},
                },
            },
        }
    ]
    assert (await bob.ask("POST", "/v1/chat/completions", body))[0] == 200


async def test_a_count_of_tokens_names_no_more_than_a_call(ann, bob):
    _, made = await ann.upload()
    body = {
        "model": "any",
        "input": [{"role": "user", "content": [{"type": "input_file", "file_id": made["id"]}]}],
    }
    assert (await bob.ask("POST", "/v1/responses/input_tokens", body))[0] == 404


@pytest.mark.parametrize("store", [True, False])
async def test_the_container_that_a_response_ran_code_in_is_its_users(ann, bob, store):
    tool = {"type": "code_interpreter", "container": {"type": "auto"}}
    body = {"model": "any", "input": "x", "tools": [tool], "store": store}
    code, answer = await ann.ask("POST", "/v1/responses", body)
    assert code == 200, answer
    container = answer["output"][0]["container_id"]
    assert (await bob.ask("GET", f"/v1/containers/{container}/files"))[0] == 404
    code, _ = await ann.ask("GET", f"/v1/containers/{container}")
    # the route's first target made it, and OpenAI's paths are another provider's here
    assert code == 404
    body["model"] = "openai/gpt-4o"
    container = (await ann.ask("POST", "/v1/responses", body))[1]["output"][0]["container_id"]
    assert (await ann.ask("GET", f"/v1/containers/{container}/files"))[0] == 200
    assert (await bob.ask("GET", f"/v1/containers/{container}/files"))[0] == 404
