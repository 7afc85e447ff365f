"""The response cache: hits are marked, free, counted as requests, whole and streamed."""

import json
import signal

import openai
import pytest

from ..servers import own_redis
from ..support import VENDOR_KEY, events, poll

pytestmark = pytest.mark.sqlite_suffices

ASKED = {"messages": [{"role": "user", "content": "hi"}], "temperature": 0}


def configuration(upstream, more=""):
    return f"""
[server]
port = 0
[log]
format = "json"
[providers.up]
type = "openai"
api_key = "{VENDOR_KEY}"
base_url = "{upstream.url}/v1"
models = ["ok", "stream-truncated"]
[prices."up/*"]
input = 1000
output = 1000
[routes.cached]
targets = ["up/ok"]
cache_seconds = 60
[routes.breaks]
targets = ["up/stream-truncated"]
cache_seconds = 60
{more}
"""


@pytest.fixture
def router(router_project, upstream):
    return router_project({"router.toml": configuration(upstream)}).serve()


def ask(router, model="cached", cache_control=None, **body):
    return router.post({"model": model, **ASKED, **body}, cache_control=cache_control)


def state(answer):
    return answer.headers["x-router-cache"]


@pytest.mark.parametrize("more", [{}, {"stream": True, "stream_options": {"include_usage": True}}])
def test_the_second_answer_is_the_first(router, upstream, more):
    first, second = ask(router, **more), ask(router, **more)
    assert (state(first), state(second)) == ("miss", "hit")
    assert second.body == first.body
    assert second.headers["Content-Type"] == first.headers["Content-Type"]
    assert 0 <= int(second.headers["age"]) < 60
    assert "x-router-target" not in second.headers
    assert len(upstream.exchanges()) == 1
    if more:
        assert events(second.body)[-1] == b"data: [DONE]"


def test_it_costs_nothing_and_is_in_the_books(router):
    for _ in range(2):
        assert ask(router).status == 200
    rows = poll(lambda: [*router.usage_rows()][1:] and router.usage_rows())
    assert [row["cache_hit"] for row in rows] == [0, 1]
    assert rows[0]["cost"] > 0
    hit = rows[1]
    assert (hit["cost"], hit["total_tokens"], hit["provider"]) == (0, 0, None)
    assert (hit["status"], hit["model"]) == (200, "cached")
    assert router.log_line(hit["request_id"])["cache_hit"] is True


def test_cache_headers(router, upstream):
    assert state(ask(router, cache_control="no-store")) is None
    assert state(ask(router)) == "miss"
    assert state(ask(router, cache_control="no-cache")) == "miss"
    assert state(ask(router, cache_control="max-age=60")) == "hit"
    assert len(upstream.exchanges()) == 3
    refused = ask(router, cache_control="only-if-cached", seed=7)
    assert (refused.status, refused.error["code"]) == (504, "not_cached")
    assert len(upstream.exchanges()) == 3


def test_the_sdk_does_not_retry_only_if_cached(router, upstream):
    with openai.OpenAI(base_url=router.url, api_key=router.key, max_retries=2) as client:
        for model in ("cached", "up/ok"):
            with pytest.raises(openai.APIStatusError) as caught:
                client.chat.completions.create(
                    model=model, **ASKED, extra_headers={"Cache-Control": "only-if-cached"}
                )
            assert (caught.value.status_code, caught.value.code) == (504, "not_cached")
    assert len(poll(lambda: [*router.usage_rows()][1:] and router.usage_rows())) == 2
    assert upstream.exchanges() == []


@pytest.mark.parametrize(
    ("model", "more"),
    [("up/ok", {}), ("cached", {"temperature": 0.7}), ("cached", {"temperature": None})],
)
def test_what_bypasses_the_cache(router, upstream, model, more):
    for _ in range(2):
        assert state(ask(router, model, **more)) is None
    assert len(upstream.exchanges()) == 2


def test_a_broken_stream_is_not_cached(router, upstream):
    for _ in range(2):
        with router.asking({"model": "breaks", **ASKED, "stream": True}) as connection:
            response = connection.getresponse()
            assert response.headers["x-router-cache"] == "miss"
            response.read(1)  # the provider has begun
            upstream.step()
            assert b"event: error" in response.read()
    assert len(upstream.exchanges()) == 2


def test_the_sdk_reads_a_cached_stream(router):
    with openai.OpenAI(base_url=router.url, api_key=router.key, max_retries=0) as client:
        texts = [
            "".join(
                chunk.choices[0].delta.content or ""
                for chunk in client.chat.completions.create(model="cached", **ASKED, stream=True)
                if chunk.choices
            )
            for _ in range(2)
        ]
    assert texts[0] == texts[1] != ""


def test_it_counts_as_a_request_and_is_for_its_user_alone(router_project, upstream):
    project = router_project({"router.toml": configuration(upstream)})
    router = project.serve()
    limited = project.cli("keys", "create", "--name", "limited", "--rpm", "2").stdout
    limited = next(word for word in limited.split() if word.startswith("sk-tr-"))
    assert ask(router).status == 200  # by the first key of the same user
    headers = {"authorization": f"Bearer {limited}"}
    body = {"model": "cached", **ASKED}
    answers = [router.post(body, **headers) for _ in range(3)]
    assert [answer.status for answer in answers] == [200, 200, 429]
    assert [state(answer) for answer in answers[:2]] == ["hit", "hit"]
    assert answers[1].headers["x-ratelimit-remaining-requests"] == "0"
    assert len(upstream.exchanges()) == 1


def test_routers_share_it_through_redis(router_project, upstream, tmp_path):
    with own_redis(tmp_path) as redis:
        text = configuration(upstream, with_redis(redis))
        project = router_project({"router.toml": text})
        first = project.serve()
        second = project.serve()
        second.key = first.key
        answers = [ask(first)]
        poll(lambda: redis.ask("KEYS", "*:cache:*"))  # it is written behind the answer
        answers.append(ask(second))
        assert [state(answer) for answer in answers] == ["miss", "hit"]
        assert json.loads(answers[0].body) == json.loads(answers[1].body)
        assert first.stop() == second.stop() == 0


def with_redis(redis):
    secret = "s" * 32
    return f'[auth]\njwt_secret = "{secret}"\n[redis]\nhost = "127.0.0.1"\nport = {redis.port}\n'


def test_the_cache_in_redis_can_be_cleared(router_project, upstream, tmp_path):
    with own_redis(tmp_path) as redis:
        text = configuration(upstream, with_redis(redis))
        project = router_project({"router.toml": text})
        router = project.serve()
        assert state(ask(router)) == "miss"
        (key,) = poll(lambda: redis.ask("KEYS", "*:cache:*"))
        done = project.cli("cache", "clear")
        assert (done.returncode, done.stdout) == (0, "deleted 1 cached response\n"), done.stderr
        assert redis.ask("EXISTS", key) == 0
        assert state(ask(router)) == "miss"
        assert router.stop() == 0
    done = project.cli("cache", "clear")
    assert done.returncode == 1
    assert f"the cache at 127.0.0.1:{redis.port} was not cleared" in done.stderr


def test_without_redis_there_is_nothing_to_clear(router_project, upstream):
    done = router_project({"router.toml": configuration(upstream)}).cli("cache", "clear")
    assert done.returncode == 1
    assert "restart it" in done.stderr


def test_what_is_unreadable_in_redis_is_a_miss(router_project, upstream, tmp_path):
    with own_redis(tmp_path) as redis:
        text = configuration(upstream, with_redis(redis))
        router = router_project({"router.toml": text}).serve()
        assert state(ask(router)) == "miss"
        (key,) = poll(lambda: redis.ask("KEYS", "*:cache:*"))
        redis.ask("SET", key, b"\x00garbage")
        answer = ask(router)
        assert (answer.status, state(answer)) == (200, "miss")
        poll(lambda: redis.ask("GET", key) != b"\x00garbage")
        assert state(ask(router)) == "hit"
        assert router.stop() == 0


def test_a_reload_keeps_the_cache_unless_the_provider_changes(router_project, upstream):
    project = router_project({"router.toml": configuration(upstream)})
    router = project.serve()

    def reload(text):
        before = router.stderr.count("loaded router.toml")
        (project.folder / "router.toml").write_text(text)
        router.send(signal.SIGHUP)
        poll(lambda: router.stderr.count("loaded router.toml") > before)

    text = (project.folder / "router.toml").read_text()
    assert [state(ask(router)) for _ in range(2)] == ["miss", "hit"]
    reload(text + "[routing]\nretries = 1\n")
    assert state(ask(router)) == "hit"
    reload(text.replace(f"{upstream.url}/v1", f"{upstream.url}/well/v1"))
    assert [state(ask(router)) for _ in range(2)] == ["miss", "hit"]
    reload(text.replace("cache_seconds = 60", "cache_seconds = 0"))
    assert state(ask(router)) is None
    reload(text)
    assert state(ask(router)) == "hit"


def test_metrics_count_hits(router_project, upstream):
    more = "[metrics]\npublic = true\n"
    router = router_project({"router.toml": configuration(upstream, more)}).serve()
    for _ in range(3):
        ask(router)
    text = router.request("GET", "/metrics").body.decode()
    assert 'tornado_router_cache_hits_total{model="cached"} 2.0' in text
    assert 'tornado_router_cache_misses_total{model="cached"} 1.0' in text
    assert 'tornado_router_refusals_total{code=""}' not in text
