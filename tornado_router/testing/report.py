"""Sums up which rules a provider keeps: for the end of a test run, and for its README."""

from __future__ import annotations

import platform
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import metadata
from typing import Any

import tornado_router
from tornado_router.provider import Provider

CAPABILITY_RULE = "test_capability_is_shown"


@dataclass
class Rule:
    """One rule, over all that it was checked with.

    Attributes:
        name: without `test_`.
        group: what it is about, such as `Streams`.
        says: what it asks for, in a sentence.
        order: its place among the rules.
        outcomes: how many tests of it passed, failed and were skipped.
        reasons: why tests were skipped.
    """

    name: str
    group: str
    says: str
    order: int
    outcomes: Counter[str] = field(default_factory=Counter)
    reasons: dict[str, None] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """The name in words."""
        return self.name.replace("_", " ")

    @property
    def state(self) -> str:
        """`failed` if any test did, `skipped` if all were."""
        for state in ("failed", "passed"):
            if self.outcomes[state]:
                return state
        return "skipped"


@dataclass
class Summary:
    """What is known of one provider.

    Attributes:
        label: the test class.
        provider: as `describe_provider` has it.
        rules: by name, in the order in which they were checked.
        capabilities: how each stands: `passed`, `failed` or `skipped`.
    """

    label: str
    provider: Mapping[str, Any] = field(default_factory=dict)
    rules: dict[str, Rule] = field(default_factory=dict)
    capabilities: dict[str, str] = field(default_factory=dict)

    def named(self, state: str) -> list[Rule]:
        """The rules in a state, in their order."""
        found = [rule for rule in self.rules.values() if rule.state == state]
        return sorted(found, key=lambda rule: rule.order)

    def skipped(self) -> dict[str, list[str]]:
        """The names of the rules that were skipped, by the reason."""
        by_reason: dict[str, list[str]] = {}
        for rule in self.named("skipped"):
            by_reason.setdefault(next(iter(rule.reasons), ""), []).append(rule.title)
        return by_reason


def describe_provider(provider: Provider) -> dict[str, Any]:
    """What a report says of a provider itself, as JSON."""
    kind = type(provider)
    package = kind.__module__.partition(".")[0]
    return {
        "name": provider.name,
        "class": kind.__name__,
        "distribution": _distribution(package),
        "api": getattr(sys.modules.get(package), "TORNADO_ROUTER_API", None),
        "capabilities": {name: sorted(words) for name, words in provider.capabilities.items()},
        "remembers": bool(provider.remembers),
    }


def gather(found: Iterable[tuple[Mapping[str, Any], Any]]) -> list[Summary]:
    """A summary for each provider, of the facts and reports of single tests."""
    summaries: dict[str, Summary] = {}
    for facts, report in found:
        summary = summaries.setdefault(facts["class"], Summary(facts["class"]))
        summary.provider = facts.get("provider") or summary.provider
        name = facts["rule"].removeprefix("test_")
        group = facts["group"].removesuffix("Rules")
        rule = summary.rules.setdefault(
            facts["rule"], Rule(name, group, facts["says"], facts["order"])
        )
        rule.outcomes[report.outcome] += 1
        if report.skipped:
            rule.reasons[_reason(report)] = None
        if facts["rule"] == CAPABILITY_RULE:
            summary.capabilities[facts["case"]] = report.outcome
    return list(summaries.values())


def lines(summary: Summary) -> list[str]:
    """A few lines for a terminal."""
    counts = [f"{len(summary.named(state))} {state}" for state in ("passed", "failed", "skipped")]
    kind = summary.provider.get("class", "no provider")
    shown = [f"{summary.label}: {kind}: rules: {', '.join(counts)}"]
    undeclared = [word for word, state in summary.capabilities.items() if state == "skipped"]
    if undeclared:
        shown.append(f"  not declared, so not checked: {', '.join(undeclared)}")
    for rule in summary.named("failed"):
        shown.append(f"  FAILED {rule.name}: {rule.says}")
    for reason, titles in summary.skipped().items():
        shown.append(f"  skipped, as {reason}: {', '.join(titles)}")
    return shown


def page(summary: Summary) -> str:
    """One page of Markdown."""
    provider = summary.provider
    failed = summary.named("failed")
    result = f"**{len(failed)} rules broken**" if failed else "**every rule kept**"
    rows = [
        ("provider", f"`{provider.get('class')}`"),
        ("distribution", provider.get("distribution") or "not installed"),
        ("plugin API", provider.get("api") or "not stated"),
        ("tested with", f"tornado-llm-router {tornado_router.__version__}, {_python()}"),
        ("endpoints", ", ".join(f"`{name}`" for name in provider.get("capabilities", {}))),
        ("keeps state between turns", "yes" if provider.get("remembers") else "no"),
        ("result", f"{result}, {len(summary.named('skipped'))} not applicable"),
    ]
    parts = [
        f"# Conformance of `{provider.get('name', summary.label)}`",
        _table(("", ""), rows),
        "## Capabilities of `chat.completions`",
        _table(("capability", "state"), [(f"`{k}`", _SHOWN[v]) for k, v in _sorted(summary)]),
        "## Rules",
        *_rules(summary),
        "Made by `pytest --conformance-report=FILE` with the kit `tornado_router.testing`.",
    ]
    return "\n\n".join(parts) + "\n"


_SHOWN = {
    "passed": "yes, shown by a recording",
    "failed": "**declared, but no recording shows it**",
    "skipped": "not declared",
}


def _rules(summary: Summary) -> list[str]:
    parts = []
    for rule in summary.named("failed"):
        parts.append(f"- **Broken** `{rule.name}`: {rule.says}")
    groups: dict[str, list[str]] = {}
    for rule in summary.named("passed"):
        groups.setdefault(rule.group, []).append(rule.title)
    parts.append(
        _table(("about", "kept"), [(group, ", ".join(names)) for group, names in groups.items()])
    )
    skipped = [f"- {reason}: {', '.join(titles)}" for reason, titles in summary.skipped().items()]
    if skipped:
        parts += ["Not applicable:", "\n".join(skipped)]
    return parts


def _sorted(summary: Summary) -> list[tuple[str, str]]:
    return sorted(summary.capabilities.items(), key=lambda item: item[1] == "skipped")


def _table(head: tuple[str, str], rows: Iterable[tuple[str, object]]) -> str:
    cells = [head, ("---", "---"), *rows]
    return "\n".join(f"| {one} | {str(two).replace('|', '/')} |" for one, two in cells)


def _reason(report: Any) -> str:
    text = report.longrepr[2] if isinstance(report.longrepr, tuple | list) else report.longrepr
    return str(text).removeprefix("Skipped: ")


def _python() -> str:
    return f"{platform.python_implementation()} {platform.python_version()}"


@lru_cache
def _distribution(package: str) -> str | None:
    for name in metadata.packages_distributions().get(package, ()):
        return f"{name} {metadata.version(name)}"
    return None
