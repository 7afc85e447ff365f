"""Which requests are passed on, and what is wrong with the table that says so."""

from types import SimpleNamespace

import pytest

from tornado_router.calls.passed.rules import Rules, check_passthrough
from tornado_router.config.options import PASSED_PATHS, PassthroughOptions
from tornado_router.endpoints.passed import KINDS
from tornado_router.provider import Provider


def rules(**options):
    return Rules(PassthroughOptions(**{"provider": "up", **options}))


@pytest.mark.parametrize(
    ("path", "endpoint"),
    [
        ("/v1/files", "files"),
        ("/v1/files/file-1/content", "files"),
        ("/v1/fine_tuning/jobs", "fine_tuning"),
        ("/v1/threads/thread_1/messages", "threads"),
        ("/v1/fine_tuning/checkpoints/x/permissions", None),
        ("/v1/filesystem", None),
        ("/v1/batches", "batches"),
        ("/v1/chat/completions", "stored_completions"),
        ("/v1/chat/completions/chatcmpl-1/messages", "stored_completions"),
        ("/v1/audio/voices/voice_1", "voices"),
        ("/v1/audio/speech", None),
        ("/v1/webhook_endpoints", None),
        ("/v1", None),
        ("/v2/files", None),
        ("/files", None),
        ("/up/v1/files", None),
    ],
)
def test_the_default_is_what_vendors_keep(path, endpoint):
    found = rules().match(path)
    assert (found and found.endpoint) == endpoint
    if found:
        assert found.provider == "up"


def test_the_defaults_are_the_kinds_that_have_a_name():
    assert sorted(kind.path for kind in KINDS) == sorted(PASSED_PATHS)


def test_what_is_not_known_yet_can_be_passed_on():
    found = rules(paths=("GET widgets", "POST,GET files")).match("/v1/widgets/w_1")
    assert (found.endpoint, found.methods) == ("passthrough", {"GET"})


def test_nothing_is_passed_on_unless_it_is_set():
    assert Rules(PassthroughOptions()).match("/v1/files") is None
    assert rules(vendors=("claude",)).match("/claude/v1/files").path.written == "/v1/files"
    assert Rules(PassthroughOptions(vendors=("claude",))).match("/v1/files") is None


class Plain(Provider):
    pass


class Passes(Provider):
    def pass_through(self, request):
        return request.to("x", {})


def configured(kind):
    return SimpleNamespace(provider=kind("x", {}))


def test_faults_are_named():
    providers = {"up": configured(Passes), "plain": configured(Plain)}
    options = PassthroughOptions(
        provider="plain",
        paths=("files", "organization/users", "/files", "embeddings", "responses"),
        vendors=("up", "v1", "nobody"),
    )
    faults = {fault.where: fault.message for fault in check_passthrough(options, providers)}
    assert list(faults) == [
        "passthrough.provider",
        "passthrough.paths[1]",
        "passthrough.paths[2]",
        "passthrough.paths[3]",
        "passthrough.paths[4]",
        "passthrough.vendors[1]",
        "passthrough.vendors[2]",
    ]
    assert "passes nothing on" in faults["passthrough.provider"]


def test_a_provider_that_is_off_is_no_fault():
    providers = {"up": SimpleNamespace(provider=None)}
    assert list(check_passthrough(PassthroughOptions(provider="up"), providers)) == []
