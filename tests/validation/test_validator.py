import pytest
from hypothesis import given, settings

from tornado_router.endpoints import CHAT_COMPLETIONS
from tornado_router.errors import ApiError
from tornado_router.validation import PROFILES, Validator, load_schema, parse_json
from tornado_router.validation.validator import EXPLAINED_VALUES

from ..request_corpus import BAD, GOOD, USER, chat
from .json_values import json_values, mutated
from .second_opinion import SecondOpinion

CHAT = "chat.completions.request"


RULES = {CHAT: CHAT_COMPLETIONS.rules}


def ours(name, profile):
    return Validator.load(name, profile, RULES.get(name, ()))


def second_opinion(name, profile):
    return Validator(SecondOpinion(load_schema(name, profile)), RULES.get(name, ()))


VALIDATORS = {
    (make, name, profile): make(name, profile)
    for make in (ours, second_opinion)
    for name in GOOD
    for profile in PROFILES
}
ENGINES = pytest.mark.parametrize(
    "make", [ours, second_opinion], ids=["jsonschema-rs", "jsonschema"]
)
FIELDS = {name: list(load_schema(name)["properties"]) for name in GOOD}
GOOD_CASES = [(name, label) for name, bodies in GOOD.items() for label in bodies]

# What OpenAI refuses today and other vendors take, or OpenAI may take tomorrow.
TAKEN_BY_STANDARD = {"unknown part type", "stop 5", "tool name invalid", "tool_choice word"}


def refusal(validator, body):
    with pytest.raises(ApiError) as caught:
        validator.check(body)
    assert caught.value.status == 400
    assert caught.value.type == "invalid_request_error"
    return caught.value


@ENGINES
@pytest.mark.parametrize("profile", ["standard", "open"])
@pytest.mark.parametrize(("name", "label"), GOOD_CASES)
def test_takes_what_real_clients_send(make, profile, name, label):
    VALIDATORS[make, name, profile].check(GOOD[name][label])


@ENGINES
@pytest.mark.parametrize(
    ("name", "label"),
    [case for case in GOOD_CASES if not case[1].startswith(("FUTURE", "VENDOR"))],
)
def test_openai_takes_what_openai_documents(make, name, label):
    VALIDATORS[make, name, "openai"].check(GOOD[name][label])


@ENGINES
@pytest.mark.parametrize(("label", "param", "body"), BAD, ids=[case[0] for case in BAD])
def test_openai_refuses_what_is_wrong(make, label, param, body):
    assert refusal(VALIDATORS[make, CHAT, "openai"], body).param == param


@ENGINES
@pytest.mark.parametrize(("label", "param", "body"), BAD, ids=[case[0] for case in BAD])
def test_standard_refuses_what_nobody_takes(make, label, param, body):
    validator = VALIDATORS[make, CHAT, "standard"]
    if label in TAKEN_BY_STANDARD:
        validator.check(body)
    else:
        assert refusal(validator, body).param == param


@pytest.mark.parametrize(
    ("item", "param"),
    [
        ({"role": "wizard", "content": "x"}, "input[0].role"),
        ({"content": "x"}, "input[0].role"),
        ({"role": "user", "content": 5}, "input[0].content"),
        ({"type": "message", "role": "user", "content": [{}]}, "input[0].content[0].type"),
        ({"type": "function_call_output", "output": 5}, "input[0].output"),
        ("hi", "input[0]"),
    ],
)
def test_an_item_of_responses_is_told_apart(item, param):
    validator = VALIDATORS[ours, "responses.request", "standard"]
    assert refusal(validator, {"model": "m", "input": [item]}).param == param


@pytest.mark.parametrize("name", GOOD)
def test_engines_agree_on_mutated_bodies(name):
    @given(mutated([*GOOD[name].values()]))
    @settings(deadline=None)
    def check(body):
        for profile in PROFILES:
            first, second = (
                outcome(VALIDATORS[make, name, profile], body) for make in (ours, second_opinion)
            )
            assert (first is None) == (second is None)

    check()


def outcome(validator, body):
    try:
        validator.check(body)
    except ApiError as error:
        return error
    return None


@given(json_values)
@settings(deadline=None)
def test_any_json_is_taken_or_refused(value):
    for name, profile in [(name, profile) for name in GOOD for profile in PROFILES]:
        for body in (value, dict.fromkeys(FIELDS[name], value)):
            error = outcome(VALIDATORS[ours, name, profile], body)
            assert error is None or (error.status == 400 and len(error.message) < 2000)


def test_the_deepest_json_is_explained():
    body = parse_json(b'{"x":' * 100 + b"[" * 100 + b"]" * 100 + b"}" * 100)
    error = refusal(VALIDATORS[ours, CHAT, "standard"], {"messages": body})
    assert error.param == "model"


def test_prompts_are_not_quoted():
    secret = "my secret " * 20
    for body in (
        chat(messages=[{"role": "user", "content": {"text": secret}}]),
        chat(messages=[{"role": "user", "content": [secret]}]),
        chat(messages=secret),
    ):
        error = refusal(VALIDATORS[ours, CHAT, "standard"], body)
        assert "secret" not in error.message


class TestLargeBodies:
    """What lies within the first values is explained; the rest is refused without a place."""

    validator = Validator.load(CHAT)
    many = EXPLAINED_VALUES * 2

    def test_the_first_of_many_faults(self):
        body = chat(messages=[{"role": "wizard"}] * self.many)
        assert refusal(self.validator, body).param == "messages[0].role"

    def test_an_option_behind_many_messages(self):
        body = {"model": "m", "messages": [USER] * self.many, "n": 0}
        assert refusal(self.validator, body).param == "n"

    def test_a_missing_option(self):
        assert refusal(self.validator, {"messages": [USER] * self.many}).param == "model"

    def test_a_value_of_the_wrong_type(self):
        body = chat(messages=dict.fromkeys(map(str, range(self.many)), 1))
        assert refusal(self.validator, body).param == "messages"

    def test_the_true_size_is_named(self):
        validator = Validator.load("embeddings.request", "openai")
        error = refusal(validator, {"model": "m", "input": [1] * self.many})
        assert f"length {self.many}" in error.message

    @pytest.mark.parametrize(
        "tail",
        [
            {"metadata": [], "messages": [USER] * EXPLAINED_VALUES, "stop": []},
            {"messages": [USER] * EXPLAINED_VALUES, "stop": []},
            {
                "messages": [{**dict.fromkeys(map(str, range(EXPLAINED_VALUES))), "role": "x"}],
            },
        ],
        ids=["before", "behind", "within"],
    )
    def test_what_was_cut_off_is_not_called_missing(self, tail):
        error = refusal(self.validator, {"model": "m", **tail})
        if "metadata" in tail:
            assert error.param == "metadata"
        else:
            assert error.param is None
            assert f"first {EXPLAINED_VALUES} values" in error.message


def test_an_unknown_schema_is_an_error():
    with pytest.raises(FileNotFoundError):
        Validator.load("chat.completions.nonsense")
