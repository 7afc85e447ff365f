"""What a call asks for, of an endpoint that says nothing else about it."""

import json

from tornado_router.endpoints.ask import Ask
from tornado_router.provider import Call
from tornado_router.usage import NO_AMOUNTS, Amounts


def ask(**body):
    return Ask(Call("id", "x", "m", body, json.dumps(body).encode(), stream=False))


def test_plain_text_needs_nothing():
    made = ask(input="x" * 100)
    assert made.prompt()[0] == made.context() == -(-len(made.call.raw) // 4)
    assert made.output() == (0, 0)
    assert (made.needs(), made.temperature()) == ({}, None)
    assert made.amounts(0) is NO_AMOUNTS


def test_tokens_of_a_prompt_with_images_may_be_of_media():
    assert ask(input="x").amounts(2) == Amounts(seen=2, has_media=True)
