"""What pytest says of conformance: the summary, the rule beside its failure, and the report."""

from pathlib import Path

import pytest

from .processes import run_pytest

TEST = """
from pathlib import Path
import pytest
from tornado_router.testing import ProviderConformance
from tests.testing.acme import AcmeProvider
from tests.testing import broken_providers

class TestAcme(ProviderConformance):
    recordings = Path({recordings!r})
    examples = 5

    @pytest.fixture
    def provider(self):
        return {provider}("acme", {{"api_key": "sk-canary-0123456789"}})
"""
REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))

    def run(provider, *arguments):
        recordings = str(Path(__file__).parent / "recordings")
        text = TEST.format(recordings=recordings, provider=provider)
        (tmp_path / "test_acme.py").write_text(text)
        return run_pytest(tmp_path, "test_acme.py", *arguments)

    return run


def test_good_provider(run, tmp_path):
    result = run("AcmeProvider", "--conformance-report=report.md")
    assert result.returncode == 0, result.stdout
    assert "TestAcme: AcmeProvider: rules: 51 passed, 0 failed, 10 skipped" in result.stdout
    undeclared = "audio, files, json_object, logprobs, n, reasoning"
    assert f"not declared, so not checked: {undeclared}" in result.stdout
    page = (tmp_path / "report.md").read_text()
    for line in (
        "# Conformance of `acme`",
        "| provider | `AcmeProvider` |",
        "| distribution | not installed |",
        "| endpoints | `chat.completions` |",
        "| keeps state between turns | yes |",
        "| result | **every rule kept**, 10 not applicable |",
        "| `stream` | yes, shown by a recording |",
        "| `audio` | not declared |",
        "- no response of `embeddings` is recorded: embeddings match their input",
    ):
        assert line in page.splitlines()
    assert "| Memory | kept state belongs to tool calls, kept state comes back |" in page
    assert "sk-canary" not in page


def test_broken_provider(run, tmp_path):
    fault = "broken_providers.acme(capabilities=broken_providers.MORE)"
    result = run(fault, "--conformance-report=report.md", "-k", "capabilit")
    assert result.returncode == 1
    assert "The rule" in result.stdout
    assert "A capability is a promise to clients" in result.stdout
    assert "  FAILED capability_is_shown: Every declared capability is shown" in result.stdout
    page = (tmp_path / "report.md").read_text()
    assert "**2 rules broken**" in page
    assert "| `audio` | **declared, but no recording shows it** |" in page
    assert "- **Broken** `capability_is_shown`: Every declared capability" in page


def test_run_without_conformance_says_nothing_and_writes_nothing(tmp_path):
    (tmp_path / "test_other.py").write_text("def test_other():\n    pass\n")
    assert "= conformance =" not in run_pytest(tmp_path).stdout
    result = run_pytest(tmp_path, "--conformance-report=report.md")
    assert "is not written" in result.stdout
    assert not (tmp_path / "report.md").exists()


def test_plugin_costs_other_runs_next_to_nothing(tmp_path):
    (tmp_path / "test_other.py").write_text(
        "import sys\n"
        "def test_other():\n"
        "    assert 'tornado_router.testing.pytest_plugin' in sys.modules\n"
        "    for name in ('aiohttp', 'orjson', 'tornado_router.provider', 'jsonschema_rs'):\n"
        "        assert name not in sys.modules\n"
    )
    result = run_pytest(tmp_path, "-p", "no:schemathesis")  # which is here for other tests
    assert result.returncode == 0, result.stdout


def test_provider_that_cannot_be_made_is_an_error_not_a_crash(run):
    result = run("AcmeProvider.nothing", "-k", "declared")
    assert "AttributeError" in result.stdout
    assert "no provider: rules: 0 passed" in result.stdout
