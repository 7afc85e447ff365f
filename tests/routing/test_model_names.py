"""The names of models that a router.toml makes."""

import pytest

from tornado_router.config.reader import load
from tornado_router.routing.model_names import ModelNames, overlap


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("gpt-4o", "gpt-4o", True),
        ("gpt-4o", "gpt-4", False),
        ("gpt-*", "gpt-4o", True),
        ("gpt-*", "gtp-4o", False),
        ("openai/*", "openai/gpt-*", True),
        ("openai/*", "google/*", False),
        ("*", "anything/at-all", True),
        ("a?c", "abc", True),
        ("[ab]*", "c*", True),  # only what is sure is ruled out
    ],
)
def test_names_that_may_mean_the_same(one, other, expected):
    assert overlap(one, other) is overlap(other, one) is expected


def test_the_names_of_a_file(tmp_path):
    path = tmp_path / "router.toml"
    path.write_text(
        '[providers.a]\ntype = "echo"\nmodels = ["x", "y-*"]\n'
        '[routes.fast]\ntargets = ["a/x"]\n[routes."c-*"]\ntargets = ["a/y-*"]\n'
    )
    names = ModelNames(load(path, {}))
    assert names.asked == {"a/x", "a/y-*", "x", "fast", "c-*"}
    asked = ("x", "a/x", "a/y-1", "fast", "c-1", "c*", "*")
    assert [name for name in asked if not names.may_be_asked(name)] == []
    assert not any(map(names.may_be_asked, ("y-1", "b/x", "z", "fats")))
