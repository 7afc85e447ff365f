"""What a provider reads of a client's request: nothing is lost unseen."""

import pytest

from tornado_router.provider import CallFile, Params, ProviderError

from .connection import call


class TestParams:
    def params(self, unsupported="reject", hints=(), **fields):
        self.call = call(**fields)
        self.call.unsupported = unsupported
        return Params(self.call, hints)

    def test_what_is_taken_is_served(self):
        params = self.params(seed=5)
        assert (params.take("word"), params.take("seed"), params.take("n", 1)) == ("hey", 5, 1)
        params.finish()
        assert self.call.dropped == []

    def test_what_is_not_taken_is_refused_by_name(self):
        params = self.params(seed=5)
        params.take("word")
        with pytest.raises(ProviderError, match="does not support 'seed'") as caught:
            params.finish()
        error = caught.value
        assert (error.status, error.param, error.code) == (400, "seed", "unsupported_parameter")
        assert error.retryable

    def test_or_dropped_and_told_as_the_operator_wishes(self):
        params = self.params("drop", seed=5, logit_bias={})
        params.take("word")
        params.unsupported("messages[0].content[1]")
        params.finish()
        assert self.call.dropped == ["messages[0].content[1]", "seed", "logit_bias"]

    def test_hints_are_never_refused_but_told(self):
        params = self.params(hints={"user"}, user="me")
        params.take("word")
        params.finish()
        assert self.call.dropped == ["user"]

    def test_null_is_absent_and_the_cores_own_fields_are_not_asked_for(self):
        params = self.params(seed=None, model="m", stream=True, stream_options={})
        params.take("word")
        assert params.take("seed", 7) == 7
        params.finish()
        assert self.call.dropped == []


def test_what_is_kept_for_a_tool_call_is_handed_to_the_core():
    item = call()
    item.keep("call_1", {"signature": "x"})
    assert item.kept == {"call_1": {"signature": "x"}}


def test_a_call_has_no_files_unless_its_client_sent_some():
    assert call().files == ()
    item = call()
    item.files = (CallFile("file", "a.mp3", "audio/mpeg"),)
    assert [file.field for file in item.files] == ["file"]
