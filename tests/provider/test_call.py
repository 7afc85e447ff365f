"""What a provider reads of a client's request: nothing is lost unseen."""

import pytest

from tornado_router.provider import CallFile, Params, ProviderError, output_bounds

from .connection import call


class TestParams:
    def params(self, unsupported="reject", hints=(), kinds=None, **fields):
        self.call = call(**fields)
        self.call.unsupported = unsupported
        return Params(self.call, hints, kinds or {})

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
        params = self.params("drop", seed=5, logit_bias={"5": 1})
        params.take("word")
        params.unsupported("messages[0].content[1]")
        params.finish()
        assert self.call.dropped == ["messages[0].content[1]", "seed", "logit_bias"]

    def test_what_is_nearly_done_is_told_unless_nothing_may_be(self):
        for unsupported in ("adapt", "drop"):
            params = self.params(unsupported)
            params.approximate("temperature")
            assert self.call.dropped == ["temperature"]
        with pytest.raises(ProviderError, match="does not support 'temperature'"):
            self.params("reject").approximate("temperature")

    def test_a_loss_is_refused_unless_it_may_be_dropped(self):
        with pytest.raises(ProviderError, match="does not support 'n'"):
            self.params("adapt").unsupported("n")

    @pytest.mark.parametrize(
        ("fields", "bound"),
        [
            ({}, None),
            ({"max_tokens": 5}, 5),
            ({"max_completion_tokens": 5.0}, 5),
            ({"max_tokens": 5, "max_completion_tokens": None}, 5),
            ({"max_tokens": 5, "max_completion_tokens": 9}, 5),
            ({"max_tokens": 9, "max_completion_tokens": 5}, 5),
            ({"max_tokens": -1}, None),
            ({"max_tokens": -1, "max_completion_tokens": 5}, 5),
        ],
    )
    def test_the_bound_is_the_lesser_of_two(self, fields, bound):
        params = self.params(**fields)
        params.take("word")
        assert params.take_bound() == bound
        params.finish()
        assert self.call.dropped == []

    def test_hints_are_never_refused_but_told(self):
        params = self.params(hints={"user"}, user="me")
        params.take("word")
        params.finish()
        assert self.call.dropped == ["user"]

    @pytest.mark.parametrize(
        ("kind", "refused_by"),
        [("hint", set()), ("approximation", {"reject"}), ("loss", {"reject", "adapt"})],
    )
    @pytest.mark.parametrize("unsupported", ["adapt", "reject", "drop"])
    def test_a_field_of_each_kind_goes_its_way(self, kind, refused_by, unsupported):
        params = self.params(unsupported, kinds={"seed": kind}, seed=5)
        params.take("word")
        if unsupported in refused_by:
            with pytest.raises(ProviderError, match="does not support 'seed'"):
                params.finish()
        else:
            params.finish()
            assert self.call.dropped == ["seed"]

    def test_what_asks_for_nothing_is_left_out_without_a_word(self):
        params = self.params(n=1, logprobs=False, stop=[], parallel_tool_calls=True, store=False)
        params.take("word")
        params.finish()
        assert self.call.dropped == []

    def test_null_is_absent_and_the_cores_own_fields_are_not_asked_for(self):
        params = self.params(seed=None, model="m", stream=True, stream_options={})
        params.take("word")
        assert params.take("seed", 7) == 7
        params.finish()
        assert self.call.dropped == []


def test_the_bounds_of_a_call_are_positive():
    assert output_bounds({"max_tokens": 9, "max_completion_tokens": 5}) == [5, 9]
    assert output_bounds({"max_tokens": -1, "max_completion_tokens": None}) == []


def test_what_is_kept_for_a_tool_call_is_handed_to_the_core():
    item = call()
    item.keep("call_1", {"signature": "x"})
    assert item.kept == {"call_1": {"signature": "x"}}


def test_a_call_has_no_files_unless_its_client_sent_some():
    assert call().files == ()
    item = call()
    item.files = (CallFile("file", "a.mp3", "audio/mpeg"),)
    assert [file.field for file in item.files] == ["file"]
