"""The kit lets the good provider pass and catches each fault: in its rule, and for its reason."""

from collections import defaultdict
from pathlib import Path

import pytest

from tornado_router.testing import ProviderConformance
from tornado_router.testing.rules.transport import TransportRules

from . import kit_case
from .acme import AcmeProvider
from .acme_cloud import CloudProvider, record
from .broken_clouds import CLOUD_FAULTS
from .broken_providers import FAULTS


class Failures:
    """A plugin that notes which rules failed, and what was said of them."""

    def __init__(self):
        self.rules = defaultdict(str)
        self.passed = 0

    def pytest_runtest_logreport(self, report):
        rule = report.nodeid.rpartition("::test_")[2].partition("[")[0]
        if report.failed:
            self.rules[rule] += str(report.longrepr)
        self.passed += report.when == "call" and report.passed


def run_kit(provider, recordings=None, only=""):
    """The rules that a provider breaks (of all, or of some), and how many tests passed."""
    failures = Failures()
    kit_case.chosen.append(provider)
    usual = kit_case.TestChosen.recordings
    kit_case.TestChosen.recordings = recordings or usual
    try:
        pytest.main(
            [
                "--noconftest",
                # It collects garbage five times at the end, a third of the whole run.
                *("-p", "no:unraisableexception"),
                *("-p", "no:cacheprovider", "-p", "no:xdist", "-p", "no:randomly"),
                *(
                    "--quiet",
                    "--no-header",
                    "--no-summary",
                    "--tb=short",
                    "--override-ini",
                    "addopts=",
                ),
                # The modules are imported already, so nothing in them can be rewritten.
                *("--import-mode=importlib", "--assert=plain"),
                *("-k", only),
                str(Path(kit_case.__file__)),
            ],
            plugins=[failures],
        )
    finally:
        kit_case.chosen.pop()
        kit_case.TestChosen.recordings = usual
    return dict(failures.rules), failures.passed


DEAR = {
    "stream_is_the_same_however_split",
    "any_request_is_served_or_refused",
    "secret_is_in_no_error",
}
"""What takes a third of a run: of faults that it does not catch, it says nothing."""


def test_good_provider_passes():
    rules, passed = run_kit(AcmeProvider)
    assert rules == {}
    assert passed > 100


@pytest.mark.parametrize("fault", FAULTS)
def test_fault_is_caught(fault):
    provider, broken, reason = FAULTS[fault]
    rules, _ = run_kit(provider, only=" and ".join(f"not {name}" for name in DEAR - broken))
    assert rules.keys() == broken
    assert reason in "\n".join(rules.values())


TRANSPORT = " or ".join(name for name in vars(TransportRules) if name.startswith("test_"))


@pytest.fixture(scope="module")
def cloud_recordings(tmp_path_factory):
    return record(tmp_path_factory.mktemp("cloud") / "recordings")


def test_good_cloud_passes(cloud_recordings):
    rules, passed = run_kit(CloudProvider, cloud_recordings)
    assert rules == {}
    assert passed > 100


@pytest.mark.parametrize("fault", CLOUD_FAULTS)
def test_fault_of_a_cloud_is_caught(fault, cloud_recordings):
    provider, broken, reason = CLOUD_FAULTS[fault]
    rules, _ = run_kit(provider, cloud_recordings, TRANSPORT)
    assert reason in "\n".join(rules.values())
    assert rules.keys() == broken


def test_every_rule_catches_something():
    caught = {
        f"test_{rule}" for _, broken, _ in (FAULTS | CLOUD_FAULTS).values() for rule in broken
    }
    untried = set(ProviderConformance.rule_names()) - caught
    assert untried == {
        # Faults of recordings, not of providers: test_rules.py.
        "test_recording_is_sound",
        # A vendor of chat completions alone cannot get others wrong: test_rules.py.
        "test_embeddings_match_their_input",
        "test_response_fits_its_endpoint",
        "test_stream_fits_its_endpoint",
        "test_stream_of_endpoint_equals_response",
    }
