"""Which targets can serve a call, and which goes first."""

from collections import Counter

import orjson
import pytest

from tornado_router.config.options import (
    PriceOptions,
    PricingOptions,
    RoutingOptions,
    TargetOptions,
)
from tornado_router.errors import ApiError
from tornado_router.provider import Call
from tornado_router.routing.health import Health
from tornado_router.routing.prices import Prices
from tornado_router.routing.routes import Route, Target
from tornado_router.routing.selection import Selection

A, B, C = Target("a", "x"), Target("b", "x"), Target("c", "x")
PICTURE = {"type": "image_url", "image_url": {"url": "https://x/y.png"}}
AUDIO = {"type": "input_audio", "input_audio": {"data": "", "format": "wav"}}
FILE = {"type": "file", "file": {"file_id": "f"}}
TOOL = {"type": "function", "function": {"name": "f"}}
SCHEMA = {"type": "json_schema", "json_schema": {"name": "n", "schema": {}}}


def call(*parts, **fields):
    content = list(parts) or "Hello."
    body = {"model": "m", "messages": [{"role": "user", "content": content}], **fields}
    return Call("id", "chat.completions", "m", body, orjson.dumps(body), stream=False)


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


class World:
    def __init__(self, tables=None, prices=None):
        self.clock = Clock()
        self.health = Health(RoutingOptions(), self.clock)
        tables = {name: TargetOptions(**table) for name, table in (tables or {}).items()}
        prices = Prices(prices or {}, PricingOptions(price_package=False), {})
        self.selection = Selection(tables, self.health, prices)

    def able(self, call, *targets):
        return list(self.selection.able(Route(targets or (A, B)), call).targets)

    def refused(self, call, *targets):
        with pytest.raises(ApiError) as caught:
            self.able(call, *targets)
        return caught.value

    def order(self, route, call, prompt=100, answer=100, **headers):
        return list(self.selection.order(route, call, prompt, answer, **headers))


class TestAble:
    @pytest.mark.parametrize(
        ("request_", "lacks"),
        [
            (call(PICTURE), "images"),
            (call(AUDIO), "audio"),
            (call(FILE), "files"),
            (call(tools=[TOOL]), "tools"),
            (call(response_format=SCHEMA), "structured_outputs"),
        ],
        ids=["images", "audio", "files", "tools", "structured_outputs"],
    )
    def test_who_lacks_something_is_not_asked_for_it(self, request_, lacks):
        world = World({"a/*": {"lacks": (lacks,)}})
        assert world.able(request_) == [B]
        assert world.able(call()) == [A, B]
        assert world.able(call(tools=[], response_format={"type": "text"})) == [A, B]

    @pytest.mark.parametrize(
        ("request_", "lacks", "param", "words"),
        [
            (call(PICTURE), "images", "messages", "does not support images"),
            (call(tools=[TOOL]), "tools", "tools", "does not support tools"),
            (
                call(response_format=SCHEMA),
                "structured_outputs",
                "response_format",
                "does not support structured outputs",
            ),
        ],
        ids=["images", "tools", "structured_outputs"],
    )
    def test_a_call_that_nobody_can_serve(self, request_, lacks, param, words):
        error = World({"?/x": {"lacks": (lacks,)}}).refused(request_)
        assert (error.status, error.param, error.code) == (400, param, "unsupported_value")
        assert words in error.message

    def test_two_that_lack_different_things(self):
        world = World({"a/*": {"lacks": ("images",)}, "b/*": {"lacks": ("tools",)}})
        assert world.able(call(PICTURE)) == [B]
        assert world.able(call(tools=[TOOL])) == [A]
        error = world.refused(call(PICTURE, tools=[TOOL]))
        assert "does not support images, tools" in error.message

    def test_a_window_that_is_too_small(self):
        world = World({"a/*": {"context_window": 100}, "b/*": {"context_window": 1000}})
        text = {"type": "text", "text": "word " * 100}
        assert world.able(call()) == [A, B]
        assert world.able(call(text)) == [B]
        assert world.able(call(max_tokens=99)) == [B]
        assert world.able(call(max_completion_tokens=99)) == [B]
        assert world.able(call(max_tokens=5000), A, C) == [C]
        error = world.refused(call(max_tokens=1000))
        assert (error.status, error.param, error.code) == (
            400,
            "messages",
            "context_length_exceeded",
        )
        assert "maximum context length is 1000 tokens" in error.message

    def test_the_longest_pattern_holds(self):
        world = World({"a/*": {"context_window": 1}, "a/x": {}, "*": {"lacks": ("images",)}})
        assert world.able(call(PICTURE)) == [A]

    def test_weights_stay_with_their_targets(self):
        world = World({"b/*": {"lacks": ("tools",)}})
        route = Route((A, B, C), "weighted", (1.0, 2.0, 3.0))
        able = world.selection.able(route, call(tools=[TOOL]))
        assert (able.targets, able.weights) == ((A, C), (1.0, 3.0))


class TestOrder:
    def test_as_listed(self):
        assert World().order(Route((B, A, C)), call()) == [B, A, C]

    def test_by_weight(self):
        world, route = World(), Route((A, B, C), "weighted", (6.0, 3.0, 1.0))
        orders = [world.order(route, call()) for _ in range(5000)]
        first = Counter(order[0] for order in orders)
        assert 2850 < first[A] < 3150
        assert 1350 < first[B] < 1650
        assert 400 < first[C] < 600
        second = Counter(order[1] for order in orders if order[0] == A)
        assert 2.2 < second[B] / second[C] < 4  # those that follow, by their weights too

    def test_a_weight_of_nothing_only_follows(self):
        world, route = World(), Route((A, B), "weighted", (0.0, 0.001))
        assert all(world.order(route, call()) == [B, A] for _ in range(100))

    def test_by_price(self):
        prices = {
            "a/*": PriceOptions(input=1.0, output=10.0),
            "b/*": PriceOptions(input=5.0, output=5.0),
        }
        world, route = World(prices=prices), Route((C, A, B), "cheapest")
        assert world.order(route, call(), 1000, 10) == [A, B, C]
        assert world.order(route, call(), 10, 1000) == [B, A, C]

    def test_by_speed(self):
        world, route = World(), Route((A, B, C), "fastest")
        for target, seconds in ((A, 2.0), (B, 1.0)):
            attempt = world.health.begin(target)
            world.clock.now += seconds
            attempt.succeeded()
            attempt.end()
        assert world.order(route, call()) == [C, B, A]
        world.clock.now += 100
        assert world.order(route, call()) == [A, B, C]  # nobody knows any more

    def test_by_calls_in_flight(self):
        world, route = World(), Route((A, B, C), "least-busy")
        running = [world.health.begin(target) for target in (A, A, B)]
        assert world.order(route, call()) == [C, B, A]
        for attempt in running:
            attempt.end()
        assert world.order(route, call()) == [A, B, C]


class TestSticky:
    def test_calls_that_agree_begin_with_the_same_target(self):
        world, route = World(), Route((A, B, C), sticky=("user",))
        orders = {user: world.order(route, call(user=user)) for user in map(str, range(300))}
        assert all(world.order(route, call(user=user)) == orders[user] for user in orders)
        assert all(80 < count < 120 for count in Counter(o[0] for o in orders.values()).values())

    def test_few_move_when_a_target_goes(self):
        world = World()
        for user in map(str, range(100)):
            before = world.order(Route((A, B, C), sticky=("user",)), call(user=user))
            after = world.order(Route((A, C), sticky=("user",)), call(user=user))
            assert after == [target for target in before if target != B]

    def test_by_weight(self):
        world, route = World(), Route((A, B), "weighted", (9.0, 1.0), ("user",))
        first = Counter(world.order(route, call(user=user))[0] for user in map(str, range(1000)))
        assert 870 < first[A] < 930

    def test_a_field_inside_another(self):
        world, route = World(), Route((A, B, C), sticky=("metadata", "session"))
        orders = {tuple(world.order(route, call(metadata={"session": "s7"}))) for _ in range(20)}
        assert len(orders) == 1

    def test_a_header(self):
        world, route = World(), Route((A, B, C), sticky_header="session-id")
        orders = {
            name: world.order(route, call(), headers={"session-id": name})
            for name in map(str, range(300))
        }
        for name, order in orders.items():
            assert world.order(route, call(), headers={"session-id": name, "x": "y"}) == order
        assert {order[0] for order in orders.values()} == {A, B, C}
        assert world.order(route, call(), headers={"other": "x"}) == [A, B, C]

    @pytest.mark.parametrize("fields", [{}, {"metadata": None}, {"metadata": {"other": "x"}}])
    def test_a_call_without_it_is_not_bound(self, fields):
        route = Route((B, A), sticky=("metadata", "session"))
        assert World().order(route, call(**fields)) == [B, A]


def test_by_which_endpoint_a_target_takes_chat_completions():
    world = World({"a/*": {"chat_by": "responses"}})
    assert world.selection.chat_by(A) == "responses"
    assert world.selection.chat_by(B) == ""
    assert World().selection.chat_by(A) == ""
