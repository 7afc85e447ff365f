"""The base of every rule: the provider under test, its recordings, and reasons to skip."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, NoReturn

import pytest

from tornado_router.config.credentials import secrets_in
from tornado_router.endpoints import EMBEDDINGS, ENDPOINTS
from tornado_router.provider import Call, Provider, UpstreamRequest
from tornado_router.testing import corpus, shapes
from tornado_router.testing.recordings import (
    CHAT,
    DEFAULT_MODEL,
    Recording,
    RecordingError,
    load,
    load_credentials,
)
from tornado_router.testing.replay import (
    CLIENT_MODEL,
    Player,
    StreamOutcome,
    make_call,
)
from tornado_router.testing.replay_client import HttpUsedError
from tornado_router.testing.samples import SAMPLES

CASES: Mapping[str, str] = {
    "recording": "there are no recordings",
    "whole": "no whole response is recorded",
    "stream": "no stream is recorded",
    "failure": "no error is recorded",
    "embedded": "no response of `embeddings` is recorded",
    "other": "no response of another endpoint than chat completions is recorded",
    "upload": "no request with a file is recorded",
    "binary": "no response that is bytes is recorded",
    "capability": "",
}
"""The arguments of rules that are checked once for each of something, and why there is none."""


class Rules:
    """What the rules share. See `ProviderConformance` for what an author sets.

    A rule is a method `test_...`. Its docstring says what is checked, why, and how to mend it.
    """

    recordings: ClassVar[Path | str | None] = None
    examples: ClassVar[int] = 100

    @property
    def variants(self) -> int:
        """In how many ways a recorded response is cut or spoilt; a small one in every way."""
        return self.examples * 5 // 2

    @pytest.fixture
    def provider(self) -> Provider:
        """The provider under test; to be overridden."""
        raise NotImplementedError(
            f"{type(self).__name__} needs a fixture `provider` that returns a configured provider"
        )

    @pytest.fixture
    def player(self, provider: Provider) -> Iterator[Player]:
        """Plays calls on the provider."""
        assert isinstance(provider, Provider), "the fixture `provider` has to return a Provider"
        recorded = any(recording.response for recording in self.load_recordings())
        overridden = type(provider).send is not Provider.send
        with asyncio.Runner() as runner:
            in_process = overridden and not recorded
            yield Player(provider, runner, in_process, load_credentials(self._folder()))

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Makes a test of each rule for each recording or capability that it is about."""
        for argument, nothing in CASES.items():
            if argument in metafunc.fixturenames:
                cases = self._cases(argument)
                skip = pytest.mark.skip(reason=nothing)
                metafunc.parametrize(
                    argument,
                    cases or [pytest.param(None, marks=skip)],
                    ids=[getattr(case, "id", case) for case in cases] or ["none"],
                )

    @classmethod
    def load_recordings(cls) -> tuple[Recording, ...]:
        """What is recorded."""
        return load(cls._folder())

    @classmethod
    def _folder(cls) -> Path | None:
        return Path(cls.recordings) if cls.recordings is not None else None

    @classmethod
    def rule_names(cls) -> list[str]:
        """Every rule, in the order in which they are written down."""
        return [
            name
            for kind in reversed(cls.__mro__)
            if issubclass(kind, Rules)
            for name in vars(kind)
            if name.startswith("test_")
        ]

    def _cases(self, argument: str) -> Sequence[Any]:
        if argument == "capability":
            return corpus.CAPABILITIES
        try:
            recordings = self.load_recordings()
        except RecordingError as error:
            raise pytest.Collector.CollectError(str(error)) from None
        return [item for item in recordings if _suits(item, argument)]

    def model(self, endpoint: str = CHAT) -> str:
        """A model of the vendor's: the first that is recorded."""
        models = (item.request.get("model") for item in self.load_recordings())
        of_endpoint = (
            item.request.get("model")
            for item in self.load_recordings()
            if item.endpoint == endpoint and not item.failed
        )
        return str(next(of_endpoint, None) or next(models, None) or DEFAULT_MODEL)

    def call(self, body: Mapping[str, Any], endpoint: str = CHAT, **how: Any) -> Call:
        """A call of the kit's own, in which the client's name of the model is an alias."""
        body = {**body, "model": CLIENT_MODEL}
        stream = how.pop("stream", False) or bool(body.get("stream"))
        how.setdefault("model", self.model(endpoint))
        return make_call(endpoint, body, stream=stream, **how)

    def recorded_call(self, recording: Recording, **how: Any) -> Call:
        """The call that a recording is the response of."""
        how = {"stream": recording.streamed, "files": recording.files, **how}
        return make_call(recording.endpoint, recording.request, **how)

    def response(self, player: Player, recording: Recording) -> Mapping[str, Any]:
        """A recorded whole response as the client would get it; skips if there is none."""
        serves(player.provider, recording.endpoint)
        try:
            return player.whole(self.recorded_call(recording), recording.response)
        except Exception as error:  # noqa: BLE001 - another rule reports it
            _skip_unread(recording, error)

    def played(self, player: Player, recording: Recording) -> StreamOutcome:
        """A recorded stream as the client would get it; skips if there is none."""
        declares(player.provider, "stream")
        outcome = player.stream(self.recorded_call(recording), recording.response)
        if outcome.error:
            _skip_unread(recording, outcome.error)
        return outcome

    def joined(self, player: Player, recording: Recording) -> Mapping[str, Any]:
        """The response of a recording, streamed or not; skips if there is none."""
        if recording.streamed:
            return shapes.joined(self.played(player, recording).chunks)
        return self.response(player, recording)

    def samples(
        self, provider: Provider, *, plain: bool = False
    ) -> Iterator[tuple[corpus.Sample, str]]:
        """The requests of the corpus for the endpoints of a provider."""
        for endpoint, (usual, odd) in SAMPLES.items():
            if provider.supports(endpoint):
                yield from ((sample, endpoint) for sample in (*usual, *(() if plain else odd)))

    def built(self, player: Player) -> Iterator[tuple[str, Call, UpstreamRequest]]:
        """Every request of the corpus that is not refused, whole and streamed."""
        for sample, endpoint in self.samples(player.provider):
            can_stream = endpoint == CHAT and "stream" in player.provider.capabilities[CHAT]
            for stream in (False, True) if can_stream else (False,):
                call = self.call(sample.body, endpoint, stream=stream)
                try:
                    request = player.request(call)
                except Exception:  # noqa: BLE001, S112 - other rules report it
                    continue
                if request is not None:
                    yield f"{sample.label}{' (stream)' if stream else ''}", call, request


def serves(provider: Provider, endpoint: str = CHAT) -> None:
    """Skips a rule about an endpoint that the provider does not declare, or holds sessions at."""
    if not provider.supports(endpoint):
        pytest.skip(f"`{endpoint}` is not declared")
    if endpoint in ENDPOINTS and ENDPOINTS[endpoint].is_socket:
        pytest.skip(f"`{endpoint}` has no requests")


def declares(provider: Provider, word: str) -> None:
    """Skips a rule about a capability that the provider does not declare."""
    serves(provider)
    if word not in provider.capabilities[CHAT]:
        pytest.skip(f"`{word}` is not declared")


def needs_vendor(player: Player) -> None:
    """Skips a rule about what is sent to a vendor, where there is none."""
    if player.in_process:
        pytest.skip("the provider responds in process")


def secrets(provider: Provider) -> list[str]:
    """The values of the secret options."""
    return secrets_in(provider.options, provider.options_schema)


def no_faults(faults: Iterable[str | None]) -> None:
    """Fails with every fault, one a line; None is not a fault."""
    found = [fault for fault in dict.fromkeys(faults) if fault]
    if found:
        shown = [f"  - {fault}" for fault in found[:12]]
        more = [f"  ... and {len(found) - 12} more"] if len(found) > 12 else []
        pytest.fail("\n".join([f"{len(found)} at fault:", *shown, *more]), pytrace=False)


def _suits(recording: Recording, argument: str) -> bool:
    match argument:
        case "failure":
            return recording.failed
        case "whole":
            return recording.endpoint == CHAT and not recording.failed and not recording.streamed
        case "stream":
            return recording.endpoint == CHAT and not recording.failed and recording.streamed
        case "upload":
            return bool(recording.files) and not recording.failed
        case "binary":
            return recording.binary and not recording.failed
        case "embedded":
            return recording.endpoint == EMBEDDINGS.name and not recording.failed
        case "other":
            known = ENDPOINTS.get(recording.endpoint)
            return bool(known) and recording.endpoint != CHAT and not _is_bytes(recording)
        case _:
            return True


def _is_bytes(recording: Recording) -> bool:
    """Whether a response is bytes, or may be some as nothing is recorded."""
    may_be = not ENDPOINTS[recording.endpoint].documentation.has_json
    return recording.failed or recording.binary or (may_be and recording.response is None)


def _skip_unread(recording: Recording, error: Exception) -> NoReturn:
    if isinstance(error, HttpUsedError):
        pytest.skip("no response is recorded")
    pytest.skip(f"`{recording.id}` cannot be read: see test_recorded_response_is_read")
