"""Rules that the broken providers of `test_kit_catches_faults.py` cannot show."""

import asyncio
import re
from pathlib import Path
from typing import ClassVar

import orjson
import pytest
from multidict import CIMultiDict

from tornado_router.provider import Provider, Translator, UpstreamRequest, UpstreamResponse
from tornado_router.testing import ProviderConformance
from tornado_router.testing.recordings import Recording
from tornado_router.testing.replay import Player, make_call, plain
from tornado_router.testing.replay_client import HttpUsedError, ReplayClient

from .acme import AcmeProvider

RULES = ProviderConformance()
KEY = {"api_key": "sk-canary-0123456789"}


def recording(request=None, response=None, endpoint="chat.completions", name="hello"):
    request = request or {"model": "m", "messages": [{"role": "user", "content": "x"}]}
    if response is not None and not isinstance(response, UpstreamResponse):
        response = UpstreamResponse(200, CIMultiDict(), orjson.dumps(response))
    return Recording(name, endpoint, False, request, response)


@pytest.fixture
def play():
    with asyncio.Runner() as runner:
        yield lambda provider, in_process=False: Player(provider, runner, in_process)


class TestRecordings:
    def test_valid_request_and_clean_headers_pass(self):
        RULES.test_recording_is_sound(AcmeProvider("a", KEY), recording())

    def test_request_has_to_be_valid(self):
        wrong = recording({"model": "m", "messages": [{"role": "wizard"}]})
        with pytest.raises(AssertionError, match=r"hello\.request\.json: `messages\[0\]\.role`"):
            RULES.test_recording_is_sound(AcmeProvider("a", KEY), wrong)

    @pytest.mark.parametrize("name", ["Set-Cookie", "authorization", "X-Api-Key"])
    def test_credentials_have_to_go(self, name):
        leaking = recording(response=UpstreamResponse(200, CIMultiDict({name: "x"}), b"{}"))
        with pytest.raises(pytest.fail.Exception, match="take it out"):
            RULES.test_recording_is_sound(AcmeProvider("a", KEY), leaking)

    def test_request_without_answer_needs_a_provider_in_process(self, play):
        message = "put the vendor's response into the `recordings` folder"
        with pytest.raises(pytest.fail.Exception, match=message):
            RULES.test_recorded_response_is_read(play(AcmeProvider("a", KEY)), recording())

    def test_folder_that_cannot_be_read_is_told_when_tests_are_collected(self, tmp_path):
        class Mine(ProviderConformance):
            recordings = tmp_path / "none"

        with pytest.raises(pytest.Collector.CollectError, match="is not a folder"):
            Mine()._cases("whole")


class TestOptions:
    def fails(self, provider):
        with pytest.raises(pytest.fail.Exception) as failure:
            RULES.test_options_are_declared(provider)
        return str(failure.value)

    def test_secret_needs_a_canary(self):
        assert "`api_key` needs a value" in self.fails(AcmeProvider("a", {"api_key": "short"}))

    def test_fixture_has_to_fit(self):
        class Mine(AcmeProvider):
            options_schema: ClassVar = {
                **AcmeProvider.options_schema,
                "required": ["api_key", "zone"],
            }

        said = self.fails(Mine("a", KEY))
        assert "'zone' is a required property" in said
        assert KEY["api_key"] not in said

    def test_description_is_needed(self):
        class Mine(Provider):
            options_schema: ClassVar = {
                "type": "object",
                "properties": {"zone": {"type": "string"}},
            }

        assert "`zone` has no `description`" in self.fails(Mine("a", {}))


class Embedder(Provider):
    """Gives the vendor's bodies on as they are."""

    capabilities: ClassVar = {"embeddings": ()}

    def __init__(self):
        super().__init__("e", {})
        self.endpoints = {"embeddings": Embedding()}


class Embedding(Translator):
    def build_request(self, call):
        return UpstreamRequest("https://e.example", call.raw, {})

    def parse_response(self, call, response):
        return orjson.loads(response.body)

    def parse_stream(self, call):
        raise NotImplementedError


def embeddings(*indexes, **fields):
    data = [{"object": "embedding", "index": index, "embedding": [0.5]} for index in indexes]
    usage = {"prompt_tokens": 2, "total_tokens": 2}
    return {"object": "list", "data": data, "model": "m", "usage": usage, **fields}


class TestEmbeddings:
    def check(self, play, asked, answer):
        request = {"model": "m", "input": asked}
        RULES.test_embeddings_match_their_input(
            play(Embedder()), recording(request, answer, "embeddings")
        )

    @pytest.mark.parametrize(
        ("asked", "count"), [("x", 1), (["x", "y"], 2), ([1, 2], 1), ([[1], [2], [3]], 3)]
    )
    def test_one_for_each_input_passes(self, play, asked, count):
        self.check(play, asked, embeddings(*range(count)))

    @pytest.mark.parametrize(
        ("answer", "fault"),
        [
            (embeddings(0), "`index` goes [0]"),
            (embeddings(1, 0), "`index` goes [1, 0]"),
            (embeddings(0, 1, data=5), "`data` does not fit"),
            (embeddings(0, 1, usage={"prompt_tokens": 2, "total_tokens": 9}), "the sum is 2"),
        ],
    )
    def test_anything_else_fails(self, play, answer, fault):
        with pytest.raises(AssertionError, match=re.escape(fault)):
            self.check(play, ["x", "y"], answer)


class Completer(Provider):
    """Gives chunks, or a whole body, on as they are."""

    capabilities: ClassVar = {"completions": (), "chat.completions": ("stream",)}

    def __init__(self, body, chunks):
        super().__init__("c", {})
        self.body, self.chunks = body, chunks

    async def send(self, call, http):
        return self.body

    async def stream(self, call, http):
        yield self.chunks


def text_chunk(text, reason=None, **fields):
    choices = [{"index": 0, "text": text, "logprobs": None, "finish_reason": reason}]
    head = {"id": "c", "object": "text_completion", "created": 1, "model": "m"}
    return {**head, "choices": choices, **fields}


COUNTED = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
TEXT = text_chunk("ab", "stop", usage=COUNTED)
CHUNKS = [text_chunk("a"), text_chunk("b", "stop"), {**TEXT, "choices": []}]
ENDPOINT_RULES = (
    "test_response_fits_its_endpoint",
    "test_stream_fits_its_endpoint",
    "test_stream_of_endpoint_equals_response",
)


class TestOtherEndpoints:
    def check(self, play, rule, body=TEXT, chunks=CHUNKS):
        asked = {"model": "m", "prompt": "x"}
        whole, stream = (Recording("hi", "completions", it, asked) for it in (False, True))

        class Recorded(ProviderConformance):
            @classmethod
            def load_recordings(cls):
                return (whole, stream)

        used = whole if rule == ENDPOINT_RULES[0] else stream
        getattr(Recorded(), rule)(play(Completer(body, chunks), True), used)

    @pytest.mark.parametrize("rule", ENDPOINT_RULES)
    def test_what_fits_passes(self, play, rule):
        self.check(play, rule)

    @pytest.mark.parametrize(
        ("body", "fault"),
        [
            ({**TEXT, "choices": [{"index": 0, "text": 5, "finish_reason": "stop"}]}, "not fit"),
            ({**TEXT, "usage": None}, "no `usage`"),
        ],
    )
    def test_a_response_that_does_not_fit_fails(self, play, body, fault):
        with pytest.raises(AssertionError, match=fault):
            self.check(play, ENDPOINT_RULES[0], body)

    @pytest.mark.parametrize(
        ("chunks", "fault"),
        [
            ([text_chunk(5), *CHUNKS[1:]], "not fit"),
            (CHUNKS[:2], "`usage` is in the chunks"),
            ([*CHUNKS[:2], TEXT], "has choices"),
        ],
    )
    def test_a_stream_that_does_not_fit_fails(self, play, chunks, fault):
        with pytest.raises((AssertionError, pytest.fail.Exception), match=fault):
            self.check(play, ENDPOINT_RULES[1], chunks=chunks)

    @pytest.mark.parametrize("chunks", [CHUNKS[1:], [CHUNKS[0], CHUNKS[2]]])
    def test_a_stream_that_is_another_response_fails(self, play, chunks):
        with pytest.raises(AssertionError):
            self.check(play, ENDPOINT_RULES[2], chunks=chunks)


class TestSecrecy:
    """A provider of several endpoints: what one of them lacks hides nothing of the others."""

    def provider(self, **parts):
        provider = AcmeProvider("a", KEY)
        provider.capabilities = {**AcmeProvider.capabilities, "embeddings": ()}
        for name, part in parts.items():
            setattr(provider.endpoints["chat.completions"], name, part)
        return provider

    def test_a_url_of_any_endpoint_is_looked_at(self, play):
        class Leaking(Embedding):
            def build_request(self, call):
                return UpstreamRequest(f"https://e.example?k={KEY['api_key']}", call.raw, {})

        provider = self.provider()
        provider.endpoints["embeddings"] = Leaking()
        with pytest.raises(pytest.fail.Exception, match="the URL holds a secret"):
            RULES.test_secret_travels_in_headers_only(play(provider))

    def test_a_stream_is_looked_at_beside_an_endpoint_without(self, play):
        provider = self.provider(parse_stream=lambda call: [KEY["api_key"]])
        provider.endpoints = {"embeddings": Embedding(), **provider.endpoints}
        with pytest.raises(pytest.fail.Exception, match="list shows a secret"):
            RULES.test_secret_is_in_no_repr(play(provider), provider)


class TestInProcess:
    def test_http_is_refused(self, play):
        class Fetching(Provider):
            capabilities: ClassVar = {"chat.completions": ()}

            async def send(self, call, http):
                await http.send(UpstreamRequest("https://f.example", b"", {}))

        call = make_call("chat.completions", {"model": "m", "messages": []})
        assert isinstance(play(Fetching("f", {}), True).failure(call, None), HttpUsedError)

    def test_one_is_told_by_its_recordings(self, play):
        class Own(Provider):
            async def send(self, call, http):
                raise NotImplementedError

        class Mine(ProviderConformance):
            recordings = Path(__file__).parent / "recordings"

        def in_process(rules, provider):
            (player,) = ProviderConformance.player.__wrapped__(rules, provider)
            return player.in_process

        assert in_process(RULES, Own("o", {}))
        assert not in_process(Mine(), Own("o", {}))
        assert not in_process(RULES, AcmeProvider("a", KEY))


def test_request_of_a_provider_that_prepares_something_first_is_seen(play):
    class Preparing(AcmeProvider):
        async def send(self, call, http):
            await asyncio.sleep(0)
            return await super().send(call, http)

    call = make_call("chat.completions", {"model": "m", "messages": []})
    assert play(Preparing("a", KEY)).request(call).url == "https://api.acme.example/talk"


def test_relayed_bytes_have_to_be_the_body():
    from tornado_router.provider import Relayed

    assert plain(Relayed({"a": 1}, b'{"a":1}')) == {"a": 1}
    with pytest.raises(AssertionError, match="would differ"):
        plain(Relayed({"a": 1}, b'{"a":2}'))


def test_replayed_stream_can_be_read_whole():
    async def read():
        client = ReplayClient(UpstreamResponse(500, {}, b"abc" * 1000))
        async with client.stream(UpstreamRequest("https://x.example", b"", {})) as stream:
            assert client.open_streams == 1
            body = await stream.read()
        return client.open_streams, len(body)

    assert asyncio.run(read()) == (0, 3000)
