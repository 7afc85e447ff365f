"""Rules about what the vendor cannot do, as a translator declares it and clients meet it."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from tornado_router.errors import ApiError
from tornado_router.provider import Call, Unsupported, UnsupportedKind
from tornado_router.testing.client_requests import CLIENTS
from tornado_router.testing.probes import PROBES, Probe
from tornado_router.testing.recordings import CHAT
from tornado_router.testing.replay import Player
from tornado_router.testing.rules.base import Rules, no_faults, serves
from tornado_router.testing.shapes import describe

_REFUSED, _TOLD = "refused", "left out"


class UnsupportedRules(Rules):
    """`unsupported_fields`: each field of a request is treated as its kind has it."""

    def test_unsupported_field_is_treated_as_declared(self, player: Player) -> None:
        """A field that is left out or nearly done is declared, and treated as its kind has it.

        A hint is never refused. An approximation is refused where the operator wants `reject`. A
        loss is refused unless the operator wants `drop`. Give `unsupported_fields` of the
        translator to `Params`, and report by its methods.
        """
        serves(player.provider)
        translator = player.provider.endpoints.get(CHAT)
        kinds = getattr(translator, "unsupported_fields", {})
        if not kinds:
            pytest.skip("no `unsupported_fields` are declared")
        wrong = sorted(set(kinds.values()) - set(get_args(UnsupportedKind)))
        no_faults(f"{word!r} is none of {get_args(UnsupportedKind)}" for word in wrong)
        no_faults(
            fault
            for probe in PROBES
            for fault in self._kind_faults(player, probe, kinds.get(probe.field))
        )

    def test_request_of_a_library_is_served(self, player: Player) -> None:
        """What LangChain, LlamaIndex, guidance and OpenAI's own libraries send is served.

        They send `n: 1`, `logprobs`, `parallel_tool_calls` and bounds in schemas to every model,
        and their users cannot help it. With `unsupported = "adapt"`, the default, leave out or
        approximate what does not change what the response is.
        """
        serves(player.provider)
        declared = set(player.provider.capabilities[CHAT])
        faults = []
        for sample in CLIENTS:
            if sample.needs <= declared:
                try:
                    player.request(self.call(sample.body, unsupported="adapt"))
                except Exception as error:  # noqa: BLE001 - reported below
                    faults.append(f"{sample.label}: {describe(error)}")
        no_faults(faults)

    def _kind_faults(self, player: Player, probe: Probe, kind: UnsupportedKind | None) -> list[str]:
        outcomes = {how: self._outcome(player, probe, how) for how in get_args(Unsupported)}
        if kind is None:
            is_lost = outcomes["adapt"] in (None, _REFUSED)
            return [] if is_lost else [f"`{probe.field}` is {_TOLD}, but not declared"]
        return [
            f"`{probe.field}` is declared as {kind}, but {outcome} with `{how}`"
            for how, outcome in outcomes.items()
            if outcome is not None and outcome != _expected(kind, how, probe, player)
        ]

    def _outcome(self, player: Player, probe: Probe, how: Unsupported) -> str | None:
        """What becomes of a parameter; None if it is served, or cannot be tried."""
        call = self.call(probe.absent, unsupported=how)
        if _param(player, call) is not None:
            return None
        call = self.call(probe.given, unsupported=how)
        param = _param(player, call)
        if param is not None:
            return _REFUSED if probe.is_named(param) else None
        return _TOLD if any(probe.is_named(path) for path in call.dropped) else None


def _expected(kind: UnsupportedKind, how: Unsupported, probe: Probe, player: Player) -> str:
    if kind == "hint" or how == "drop":
        return _TOLD
    if kind == "loss":
        return _REFUSED
    is_promised = probe.capability in player.provider.capabilities[CHAT]
    return _REFUSED if how == "reject" and not is_promised else _TOLD


def _param(player: Player, call: Call) -> Any:
    """What a refusal of a call names, or None."""
    try:
        player.request(call)
    except ApiError as error:
        return error.param
    return None
