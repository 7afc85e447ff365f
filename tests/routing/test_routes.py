"""Model names, and the targets that they come to."""

from typing import ClassVar

import pytest

from tornado_router.config.options import ProviderOptions, RouteOptions, TargetOptions
from tornado_router.errors import ApiError
from tornado_router.plugins.registry import ConfiguredProvider
from tornado_router.provider import Provider
from tornado_router.routing.routes import Model, Router, Target, check_routes, check_targets

CHAT = "chat.completions"


class ChatOnly(Provider):
    capabilities: ClassVar = {CHAT: ()}


class Everything(Provider):
    capabilities: ClassVar = {CHAT: (), "embeddings": ()}


def on(name, *models, kind=ChatOnly):
    common = ProviderOptions(type="t", models=models or ("*",))
    return ConfiguredProvider(name, common, kind(name, {}))


def off(name, *models):
    common = ProviderOptions(type="t", models=models or ("*",))
    return ConfiguredProvider(name, common, off="api_key is empty")


def route(*targets):
    return RouteOptions(targets=targets)


def router(*providers, **routes):
    return Router({item.name: item for item in providers}, routes)


def plan(router, model, endpoint=CHAT):
    return [f"{target.provider}/{target.model}" for target in router.route(model, endpoint).targets]


def refusal(router, model, endpoint=CHAT):
    with pytest.raises(ApiError) as caught:
        router.route(model, endpoint)
    return caught.value


class TestPlan:
    def test_a_name_that_no_vendor_has_is_not_even_looked_for(self):
        routes = router(on("a", "*"))
        assert plan(routes, "a/" + "x" * 254) == ["a/" + "x" * 254]
        for name in ("a/" + "x" * 255, "a/" + "x" * 1_000_000):
            assert refusal(routes, name).status == 404
            with pytest.raises(ApiError):
                routes.model(name)

    def test_a_listed_model_is_served_by_the_provider_that_lists_it(self):
        assert plan(router(on("a", "small"), on("b", "large")), "large") == ["b/large"]

    def test_of_two_that_list_it_the_first_in_the_file_serves_it(self):
        assert plan(router(on("b", "m"), on("a", "m")), "m") == ["b/m"]

    def test_of_two_that_list_it_one_that_is_off_serves_nothing(self):
        routes = router(off("b", "m"), on("a", "m"))
        assert plan(routes, "m") == ["a/m"]
        assert routes.models() == [Model("m", "a")]

    def test_a_route_goes_before_a_listed_model(self):
        assert plan(router(on("a", "m"), on("b", "n"), m=route("b/n")), "m") == ["b/n"]

    def test_a_route_goes_before_a_provider_and_model(self):
        routes = Router({"a": on("a"), "b": on("b")}, {"a/m": route("b/n")})
        assert plan(routes, "a/m") == ["b/n"]

    def test_the_targets_of_a_route_keep_their_order(self):
        item = router(on("a"), on("b"), best=route("b/x", "a/y", "b/z"))
        assert plan(item, "best") == ["b/x", "a/y", "b/z"]

    def test_provider_and_model(self):
        assert plan(router(on("a", "m"), on("b", "m")), "b/m") == ["b/m"]

    def test_a_pattern_offers_what_it_matches_under_the_providers_name(self):
        item = router(on("a", "gpt-*", "o[13]"))
        assert plan(item, "a/gpt-5.2") == ["a/gpt-5.2"]
        assert plan(item, "a/o3") == ["a/o3"]
        assert refusal(item, "a/o2").status == 404
        assert refusal(item, "a/GPT-5.2").status == 404
        assert refusal(item, "gpt-5.2").status == 404

    def test_models_with_slashes(self):
        item = router(on("hub", "meta-llama/Llama-4"), on("any"), fast=route("any/org/model/v2"))
        assert plan(item, "meta-llama/Llama-4") == ["hub/meta-llama/Llama-4"]
        assert plan(item, "hub/meta-llama/Llama-4") == ["hub/meta-llama/Llama-4"]
        assert plan(item, "any/org/model") == ["any/org/model"]
        assert plan(item, "fast") == ["any/org/model/v2"]

    def test_the_same_name_is_planned_the_same_twice(self):
        item = router(on("a", "m"))
        assert plan(item, "m") == plan(item, "m") == ["a/m"]


class TestPatterns:
    def test_a_star_stands_for_the_same_text_in_both(self):
        item = Router(
            {"a": on("a"), "b": on("b")}, {"claude-*": route("a/claude-*", "b/us.claude-*-v1")}
        )
        assert plan(item, "claude-opus") == ["a/claude-opus", "b/us.claude-opus-v1"]
        assert refusal(item, "claude-").status == 404
        assert refusal(item, "my-claude-opus").status == 404

    def test_all_models_of_a_provider_go_to_others(self):
        item = Router({"a": on("a"), "b": on("b")}, {"a/*": route("b/*", "a/*")})
        assert plan(item, "a/x/y") == ["b/x/y", "a/x/y"]

    def test_the_longest_goes_first_and_a_name_before_any(self):
        item = Router(
            {"a": on("a", "gpt-listed")},
            {
                "*": route("a/any"),
                "gpt-4*": route("a/four"),
                "gpt-*": route("a/gpt"),
                "gpt-4o": route("a/omni"),
                "*-mini": route("a/mini"),
            },
        )
        wanted = {
            "gpt-4o": "omni",
            "gpt-4.1": "four",
            "gpt-5": "gpt",
            "gpt-listed": "gpt-listed",
            "o3-mini": "mini",
            "what": "any",
        }
        assert {name: plan(item, name)[0] for name in wanted} == {
            name: f"a/{model}" for name, model in wanted.items()
        }

    def test_they_are_described_but_not_listed(self):
        item = Router({"a": on("a")}, {"gpt-*": route("a/gpt-*")})
        assert item.models() == []
        assert item.model("gpt-5") == Model("gpt-5", "a")

    def test_a_provider_that_is_off(self):
        item = Router({"a": off("a"), "b": on("b")}, {"gpt-*": route("a/gpt-*", "b/gpt-*")})
        assert plan(item, "gpt-5") == ["b/gpt-5"]


class TestOff:
    def test_a_provider_that_is_off_is_left_out_of_a_route(self):
        assert plan(router(off("a"), on("b"), r=route("a/x", "b/y")), "r") == ["b/y"]

    @pytest.mark.parametrize("model", ["m", "a/m", "r"])
    def test_what_only_it_serves_is_not_there(self, model):
        error = refusal(router(off("a", "m"), r=route("a/m")), model)
        assert (error.status, error.code, error.param) == (404, "model_not_found", "model")


class TestRefusals:
    @pytest.mark.parametrize(
        "model", ["nope", "", "/", "a/", "/m", "x/m", "a/nope", "a", " m", "M"]
    )
    def test_unknown_names(self, model):
        error = refusal(router(on("a", "m")), model)
        assert error.body() == {
            "error": {
                "message": f"The model '{model}' does not exist or you do not have access to it.",
                "type": "invalid_request_error",
                "param": "model",
                "code": "model_not_found",
            }
        }
        assert error.status == 404

    def test_a_long_name_is_clipped(self):
        assert len(refusal(router(on("a", "m")), "x" * 100_000).message) < 300

    def test_an_endpoint_that_the_model_does_not_have(self):
        item = router(on("a", "m"))
        for _ in range(2):
            error = refusal(item, "m", "embeddings")
            assert (error.status, error.code) == (400, "unsupported_endpoint")
            assert "embeddings" in error.message
        assert plan(item, "m") == ["a/m"]

    def test_targets_without_the_endpoint_are_left_out(self):
        item = router(on("a"), on("b", kind=Everything), r=route("a/x", "b/y"))
        assert plan(item, "r", "embeddings") == ["b/y"]
        assert plan(item, "r", CHAT) == ["a/x", "b/y"]


class TestModels:
    ITEM = Router(
        {"a": on("a", "m", "gpt-*"), "gone": off("gone", "n"), "b": on("b", "o", "m", "x/y")},
        {"best": route("b/o", "a/m"), "dead": route("gone/n"), "half": route("a/m", "gone/n")},
    )

    def test_lists_what_can_be_asked_for_by_name(self):
        assert self.ITEM.models() == [
            Model("best", "b"),
            Model("half", "a"),
            Model("m", "a"),
            Model("o", "b"),
            Model("x/y", "b"),
        ]

    def test_each_listed_model_can_be_described_and_planned(self):
        for model in self.ITEM.models():
            assert self.ITEM.model(model.name) == model
            assert self.ITEM.route(model.name, CHAT)

    def test_what_is_not_listed_but_can_be_asked_for_is_described(self):
        assert self.ITEM.model("a/gpt-5.2") == Model("a/gpt-5.2", "a")
        assert self.ITEM.model("b/x/y") == Model("b/x/y", "b")

    @pytest.mark.parametrize("name", ["n", "dead", "gone/n", "nope", "a/nope"])
    def test_what_cannot_be_asked_for_is_a_404(self, name):
        with pytest.raises(ApiError) as caught:
            self.ITEM.model(name)
        assert (caught.value.status, caught.value.code) == (404, "model_not_found")


def held(value, seen=None):
    """How many objects hang on a value."""
    seen = set() if seen is None else seen
    if id(value) in seen or isinstance(value, type):
        return 0
    seen.add(id(value))
    parts = list(getattr(value, "__dict__", {}).values())
    if isinstance(value, dict):
        parts += [*value.keys(), *value.values()]
    elif isinstance(value, list | tuple | set):
        parts += value
    return 1 + sum(held(part, seen) for part in parts)


def test_names_that_clients_make_up_are_not_kept():
    item = router(on("a", "*"), r=route("a/m"))
    plan(item, "r")
    before = held(item)
    for number in range(200):
        plan(item, f"a/made-up-{number}")
        refusal(item, f"made-up-{number}")
        refusal(item, "r", f"endpoint-{number}")
    assert held(item) == before


class TestCheckRoutes:
    PROVIDERS: ClassVar = {"openai": on("openai", "gpt-4o", "o*"), "gone": off("gone", "n")}

    def faults(self, **routes):
        return [str(fault) for fault in check_routes(self.PROVIDERS, routes)]

    def test_right_ones(self):
        assert self.faults(a=route("openai/gpt-4o", "openai/o3"), b=route("gone/n")) == []

    def test_a_target_without_a_slash(self):
        assert self.faults(a=route("gpt-4o")) == [
            "routes.a.targets[0]: must be 'provider/model', not 'gpt-4o'"
        ]

    def test_a_provider_that_is_not_there(self):
        assert self.faults(a=route("openai/o3", "opnai/o3")) == [
            "routes.a.targets[1]: there is no provider 'opnai'; did you mean 'openai'?"
        ]

    def test_a_model_that_the_provider_does_not_offer(self):
        assert self.faults(a=route("openai/gpt-4")) == [
            "routes.a.targets[0]: the provider 'openai' does not offer 'gpt-4'; "
            "did you mean 'gpt-4o'?"
        ]

    def test_all_faults_at_once_with_quoted_names(self):
        assert [text.split(": ")[0] for text in self.faults(**{"x.y": route("a", "b/c")})] == [
            'routes."x.y".targets[0]',
            'routes."x.y".targets[1]',
        ]


class TestCheckForms:
    PROVIDERS: ClassVar = {"a": on("a", "m", "n")}

    @pytest.mark.parametrize(
        ("name", "options", "fault"),
        [
            (
                "x",
                {"strategy": "weighted"},
                "routes.x.weights: must have one number for each target",
            ),
            (
                "x",
                {"strategy": "weighted", "weights": (1.0,)},
                "routes.x.weights: must have one number for each target",
            ),
            (
                "x",
                {"strategy": "weighted", "weights": (0.0, 0.0)},
                "routes.x.weights: must have one above 0",
            ),
            ("x", {"weights": (1.0, 2.0)}, 'routes.x.weights: needs strategy = "weighted"'),
            (
                "x",
                {"strategy": "fastest", "sticky": "user"},
                'routes.x.sticky: does not go with strategy = "fastest"',
            ),
            ("x", {"sticky": "header:"}, "routes.x.sticky: names no header"),
            ("x", {"sticky": "header:a b"}, "routes.x.sticky: names no header"),
            ("*x*", {}, "routes.\"*x*\": its name may hold one '*'"),
        ],
    )
    def test_wrong_ones(self, name, options, fault):
        options = RouteOptions(targets=("a/m", "a/n"), **options)
        assert [str(found) for found in check_routes(self.PROVIDERS, {name: options})] == [fault]

    def test_right_ones(self):
        weighted = RouteOptions(targets=("a/m", "a/n"), strategy="weighted", weights=(1.0, 0.0))
        sticky = RouteOptions(targets=("a/m",), sticky="header:session-id")
        pattern = RouteOptions(targets=("a/m", "a/x-*"))
        routes = {"w": weighted, "s": sticky, "p-*": pattern}
        assert list(check_routes(self.PROVIDERS, routes)) == []

    def test_a_star_that_stands_for_nothing(self):
        (fault,) = check_routes(self.PROVIDERS, {"x": route("a/*")})
        assert str(fault) == ("routes.x.targets[0]: '*' needs one in the route's name to stand for")

    def test_targets(self):
        tables = {
            name: TargetOptions() for name in ("a/m", "a/*", "*/m", "nobody/m", "gpt-4", "aa/*")
        }
        assert [str(fault) for fault in check_targets(self.PROVIDERS, tables)] == [
            "targets.\"nobody/m\": there is no provider 'nobody'",
            "targets.gpt-4: must be 'provider/model' or a pattern of it, not 'gpt-4'",
            "targets.\"aa/*\": there is no provider 'aa'; did you mean 'a'?",
        ]

    def test_chat_by_what_a_provider_lacks(self):
        tables = {name: TargetOptions(chat_by="responses") for name in ("a/m", "*/m")}
        assert [str(fault) for fault in check_targets(self.PROVIDERS, tables)] == [
            "targets.\"a/m\".chat_by: the provider 'a' lacks 'responses'"
        ]


def test_a_target_is_a_value():
    assert Target("a", "m") == Target("a", "m")
    assert len({Target("a", "m"), Target("a", "m"), Target("a", "n")}) == 2


class TestNames:
    def test_are_those_that_the_file_lists_and_not_what_patterns_match(self):
        routes = router(
            on("a", "small", "gpt-*"), on("b", "*"), fast=route("b/large"), **{"x-*": route("b/*")}
        )
        assert routes.names() == {"fast", "small", "a/small", "b/large"}
        assert routes.targets() == {Target("a", "small"), Target("b", "large")}
