"""Routes for the models of a LiteLLM proxy: what goes first, and what follows."""

import pytest

from tornado_router_import_litellm.routes import Routes
from tornado_router_import_litellm.settings import Settings


class File:
    """A file's deployments, and what becomes of them."""

    def __init__(self):
        self.notes = []
        self.routes = Routes(lambda where, message: self.notes.append(where))

    def add(self, *targets, name="a", **params):
        for target in targets:
            where = f"model_list[{target}]"
            self.routes.add(name, target, Settings(params, f"{where}.litellm_params"), where)

    def tables(self, strategy="simple-shuffle", **router):
        settings = Settings(router, "router_settings")
        self.routes.read_aliases(settings)
        self.routes.read_fallbacks(settings)
        assert list(settings.left()) == []
        return self.routes.tables(strategy)


@pytest.fixture
def file():
    return File()


def test_one_by_chance(file):
    file.add("p/x", "p/y")
    assert file.tables() == {
        "a": {"targets": ["p/x", "p/y"], "strategy": "weighted", "weights": [1.0, 1.0]}
    }


@pytest.mark.parametrize("share", ["weight", "rpm", "tpm"])
def test_shares_are_weights(file, share):
    file.add("p/x", **{share: 6})
    file.add("p/y", **{share: 600})
    file.add("p/z")
    assert file.tables()["a"]["weights"] == [6.0, 600.0, 0.0]
    told = ["model_list[p/z].litellm_params"]  # it is never picked, which is easily overlooked
    if share != "weight":  # they are limits, too
        told = [f"model_list[p/{name}].litellm_params.{share}" for name in "xy"] + told
    assert file.notes == told


def test_the_first_deployment_says_which_share_counts(file):
    file.add("p/x", rpm=1)
    file.add("p/y", weight=5, rpm=3)
    assert file.tables()["a"]["weights"] == [1.0, 3.0]
    assert "model_list[p/y].litellm_params.weight" in file.notes


def test_shares_that_say_nothing(file):
    file.add("p/x", rpm=6, weight=2)
    assert file.tables() == {"a": {"targets": ["p/x"]}}
    assert sorted(file.notes) == [
        "model_list[p/x].litellm_params.rpm", "model_list[p/x].litellm_params.weight",
    ]  # fmt: skip


def test_the_lowest_order_goes_first(file):
    file.add("p/none")
    file.add("p/2", order=2)
    file.add("p/1", order=1)
    assert file.tables() == {"a": {"targets": ["p/1", "p/2", "p/none"]}}


def test_several_of_the_lowest_order(file):
    file.add("p/2", order=2)
    file.add("p/1", order=1, weight=1)
    file.add("p/one", order=1, weight=3)
    assert file.tables()["a"] == {
        "targets": ["p/1", "p/one", "p/2"], "strategy": "weighted", "weights": [1.0, 3.0, 0.0],
    }  # fmt: skip


def test_an_order_that_a_strategy_cannot_keep(file):
    file.add("p/2", order=2)
    file.add("p/1", "p/one", order=1)
    assert file.tables("least-busy")["a"]["strategy"] == "least-busy"
    assert file.notes == ["model_list[p/2]"]


def test_the_same_target_twice(file):
    file.add("p/x", weight=1)
    file.add("p/y", weight=1)
    file.add("p/x", weight=2)
    table = file.tables()["a"]
    assert (table["targets"], table["weights"]) == (["p/x", "p/y"], [3.0, 1.0])


def test_the_same_target_twice_is_as_likely_as_before(file):
    file.add("p/x", "p/y", "p/x")
    assert file.tables()["a"]["weights"] == [2.0, 1.0]


def test_fallbacks(file):
    for name in "abc":
        file.add(f"p/{name}", name=name)
    tables = file.tables(
        fallbacks=[{"a": "b"}, {"b": ["c", "nobody", 7]}, {"nobody": ["a"]}, 7, {"a": 7}],
        default_fallbacks=["a"],
    )
    assert {name: table["targets"] for name, table in tables.items()} == {
        "a": ["p/a", "p/b"], "b": ["p/b", "p/c"], "c": ["p/c", "p/a"],
    }  # fmt: skip
    fallbacks = "router_settings.fallbacks"
    assert file.notes == [
        f"{fallbacks}[1].b", f"{fallbacks}[1].b", f"{fallbacks}[2].nobody", f"{fallbacks}[3]",
        f"{fallbacks}[4].a",
    ]  # fmt: skip


def test_fallbacks_never_go_first(file):
    file.add("p/x", "p/y")
    file.add("p/z", name="b")
    assert file.tables(fallbacks=[{"a": ["b"]}])["a"]["weights"] == [1.0, 1.0, 0.0]


@pytest.mark.parametrize("strategy", ["least-busy", "latency-based-routing"])
def test_nor_by_a_strategy_that_would_choose_them(file, strategy):
    file.add("p/x", "p/y")
    file.add("p/z", name="b")
    assert file.tables(strategy, fallbacks=[{"a": ["b"]}])["a"] == {
        "targets": ["p/x", "p/y", "p/z"],
        "strategy": "weighted",
        "weights": [1.0, 1.0, 0.0],
    }
    assert "fallbacks.a" in file.notes


def test_a_pattern_follows_patterns_alone(file):
    file.add("p/*", name="p/*")
    file.add("q/*", name="*")
    file.add("p/x")
    tables = file.tables(fallbacks=[{"a": ["*"]}, {"p/*": ["*"]}])
    assert tables["a"] == {"targets": ["p/x"]}
    assert tables["p/*"] == {"targets": ["p/*", "q/*"]}
    assert file.notes == ["fallbacks.a"]


def test_an_alias_has_the_fallbacks_of_its_model(file):
    file.add("p/a")
    file.add("p/b", name="b")
    file.add("p/c", name="c")
    aliases = {"z": {"model": "a", "hidden": True, "new": 1}, "own": "a"}
    tables = file.tables(
        model_group_alias=aliases, fallbacks=[{"a": ["b"]}, {"own": ["c"]}, {"*": ["c"]}]
    )
    assert tables["z"] == tables["a"] == {"targets": ["p/a", "p/b"]}
    assert tables["own"] == {"targets": ["p/a", "p/c"]}
    where = "router_settings.model_group_alias.z"
    assert file.notes == [f"{where}.hidden", f"{where}.new"]


def test_aliases_that_mean_nothing(file):
    file.add("p/a")
    file.add("p/*", name="p/*")
    aliases = {"x": "nobody", "y": ["a"], "a": "p/*", "z": "p/*", "b*c*": "a", "w": {"model": 7}}
    assert set(file.tables(model_group_alias=aliases)) == {"a", "p/*"}
    assert {f"router_settings.model_group_alias.{name}" for name in aliases} <= set(file.notes)


@pytest.mark.parametrize(
    ("theirs", "ours", "told"),
    [
        ("least-busy", "least-busy", False),
        ("latency-based-routing", "fastest", False),
        ("cost-based-routing", "cheapest", False),
        ("usage-based-routing-v2", "least-busy", True),
        ("of-tomorrow", "weighted", True),
    ],
)
def test_strategies(file, theirs, ours, told):
    file.add("p/x", "p/y")
    assert file.tables(theirs)["a"]["strategy"] == ours
    assert file.notes == (["router_settings.routing_strategy"] if told else [])


def test_a_dollar_is_a_dollar(file):
    file.add("p/ft:gpt$x")
    assert file.tables() == {"a": {"targets": ["p/ft:gpt$$x"]}}
