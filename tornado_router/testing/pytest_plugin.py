"""Adds conformance to pytest: the text of a failed rule, a summary, and `--conformance-report`.

pytest loads this in every run where the router is installed, so it imports next to nothing.
"""

from __future__ import annotations

import inspect
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

PROPERTY = "tornado_router.conformance"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds the option."""
    parser.getgroup("tornado_router", "conformance of providers for Tornado Router").addoption(
        "--conformance-report",
        metavar="FILE",
        type=Path,
        help="write what the providers under test conform to, as one page of Markdown",
    )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Adds the facts of a rule to its report, also for a process that sums up several."""
    report = yield
    kind = getattr(item, "cls", None)
    if kind is None or not hasattr(kind, "load_recordings") or report.when == "teardown":
        return report
    function: Any = getattr(item, "function", None)
    rule = inspect.getdoc(function) or ""
    if report.failed:
        report.sections.append(("The rule", rule))
    if report.when == "call" or not report.passed:
        report.user_properties.append((PROPERTY, _facts(item, kind, function, rule)))
    return report


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Shows for each provider what passed and what is not declared, and writes the report."""
    found = [
        (dict(report.user_properties)[PROPERTY], report)
        for category in ("passed", "failed", "error", "skipped")
        for report in terminalreporter.stats.get(category, ())
        if PROPERTY in dict(getattr(report, "user_properties", ()))
    ]
    path: Path | None = config.getoption("--conformance-report")
    if not found:
        if path:
            terminalreporter.write_line(f"{path} is not written: no ProviderConformance was run")
        return
    from tornado_router.testing import report  # noqa: PLC0415 - most runs have no use for it

    summaries = report.gather(found)
    terminalreporter.section("conformance")
    for summary in summaries:
        for line in report.lines(summary):
            terminalreporter.write_line(line)
    if path:
        path.write_text("\n".join(map(report.page, summaries)), encoding="utf-8")
        terminalreporter.write_line(f"written: {path}")


def _facts(item: pytest.Item, kind: type, function: Any, rule: str) -> dict[str, Any]:
    """What a summary needs of one test, as JSON."""
    names: list[str] = kind.rule_names()  # type: ignore[attr-defined]
    facts: dict[str, Any] = {
        "class": item.nodeid.split("::test_")[0],
        "rule": function.__name__,
        "order": names.index(function.__name__) if function.__name__ in names else len(names),
        "group": function.__qualname__.partition(".")[0],
        "says": rule.partition("\n")[0],
        "case": item.name.partition("[")[2].removesuffix("]"),
    }
    provider = getattr(item, "funcargs", {}).get("provider")
    if provider is not None:
        from tornado_router.testing.report import describe_provider  # noqa: PLC0415

        facts["provider"] = describe_provider(provider)
    return facts
