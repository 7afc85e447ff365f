import pytest
from hypothesis import find, given, settings

from tornado_router.testing import corpus, generated, samples
from tornado_router.testing.probes import PROBES
from tornado_router.validation import Validator

CHAT = Validator.load("chat.completions.request")


@pytest.mark.parametrize("endpoint", ["chat.completions", "embeddings"])
def test_what_is_made_up_is_valid(endpoint):
    validator = Validator.load(f"{endpoint}.request")

    @settings(max_examples=100, database=None, deadline=None)
    @given(generated.requests(endpoint))
    def check(body):
        validator.check(body)

    check()


@pytest.mark.parametrize(
    "odd",
    [
        lambda body: any(message.get("tool_calls") for message in body["messages"]),
        lambda body: any(isinstance(message.get("content"), list) for message in body["messages"]),
        lambda body: "a_parameter_of_tomorrow" in body,
        lambda body: body.get("tools") == [],
    ],
)
def test_odd_things_are_made_up(odd):
    enough = settings(database=None, max_examples=5000)  # `find` stops at the first
    find(generated.requests("chat.completions"), odd, settings=enough)


def test_an_endpoint_that_the_kit_does_not_know_has_no_requests():
    assert generated.requests("tomorrow") is None


@pytest.mark.parametrize(
    "sample", [*corpus.PLAIN, *corpus.CAPABLE, *corpus.ODD], ids=lambda sample: sample.label
)
def test_samples_of_chat_are_valid(sample):
    CHAT.check(sample.body)
    assert sample.needs <= set(corpus.CAPABILITIES)


@pytest.mark.parametrize("sample", [*samples.EMBEDDINGS, *samples.ODD_EMBEDDINGS])
def test_samples_of_embeddings_are_valid(sample):
    Validator.load("embeddings.request").check(sample.body)


@pytest.mark.parametrize("probe", PROBES, ids=lambda probe: probe.name)
def test_probes_are_valid(probe):
    CHAT.check(probe.given)
    CHAT.check(probe.absent)
    assert probe.given != probe.absent


def test_every_capability_has_a_request():
    needed = set().union(*(sample.needs for sample in corpus.CAPABLE))
    assert needed == set(corpus.CAPABILITIES) - {"stream"}
