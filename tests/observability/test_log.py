"""Log lines, for people and for machines."""

import asyncio
import io
import json
import logging
import sys
import threading
import warnings
from decimal import Decimal

import pytest
from loguru import logger
from peewee import SqliteDatabase

from tornado_router.config.options import LogOptions
from tornado_router.observability import log
from tornado_router.observability.log import AccessLog, PlainRequest

from ..finished import FINISHED, changed
from ..support import poll

CALL = changed(
    FINISHED,
    request_id="client-7",
    key_id=2,
    key_name="laptop",
    cost=Decimal("0.0000125"),
    prices='{"input":"1"}',
    finished_at=1_800_000_000.25,
    duration=1.23456,
    first_chunk=0.0421,
    overhead=0.0012,
    client_address="203.0.113.5",
)
PLAIN = PlainRequest(
    "r2", "GET", "/v1/models", 401, 1_800_000_000.0, 0.0012, None, "no_key", "2001:db8::1"
)


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def setup():
    """Sets logging up on a stream, and afterwards as it was."""
    root = logging.getLogger()
    before = root.handlers[:], root.level

    def setup(stream=None, **options):
        stream = io.StringIO() if stream is None else stream
        log.setup(LogOptions(**options), stream)
        return stream

    yield setup
    logging.captureWarnings(False)
    root.handlers[:], root.level = before[0], before[1]
    logger.remove()
    logger.add(sys.stderr)


def lines(stream):
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def access(*requests, **options):
    stream = io.StringIO()
    access_log = AccessLog(LogOptions(**options), stream)
    for request in requests:
        access_log.add(request)
    access_log.close()
    return stream.getvalue()


class TestAccessLog:
    def test_a_call_as_json(self):
        line = json.loads(access(CALL, format="json"))
        assert line.pop("time") == "2027-01-15T08:00:00.250000+00:00"
        assert line == {
            "level": "info",
            "message": "request",
            "call_id": "req_1",
            "request_id": "client-7",
            "endpoint": "chat.completions",
            "user_id": 1,
            "key_id": 2,
            "key_name": "laptop",
            "model": "fast",
            "provider": "openai",
            "target_model": "gpt-5.2-mini",
            "stream": True,
            "status": 200,
            "error_code": None,
            "dropped_params": [],
            "prompt_tokens": 11,
            "completion_tokens": 7,
            "cached_tokens": 3,
            "reasoning_tokens": 2,
            "cache_write_tokens": 4,
            "usage_estimated": False,
            "cache_hit": False,
            "cost": "0.0000125",
            "uncharged": "0",
            "paid_from_credits": True,
            "prices": {"input": "1"},
            "duration_ms": 1234.6,
            "first_chunk_ms": 42.1,
            "overhead_ms": 1.2,
            "client": "",
            "session": "",
            "client_address": "203.0.113.5",
            "trace_id": None,
        }

    def test_a_call_as_text(self):
        text = access(CALL, format="text")
        assert text.endswith(
            "fast -> openai/gpt-5.2-mini, 200, 1235 ms, 11+7 tokens, $0.0000125, "
            "first chunk 42 ms, "
            "key laptop, from 203.0.113.5 client-7\n"
        )

    def test_a_call_that_failed(self):
        failed = CALL._replace(
            provider=None, target_model=None, status=404, error_code="nope", first_chunk=None
        )
        text = access(failed, format="text")
        assert text.endswith(
            " fast, 404, 1235 ms, 11+7 tokens, $0.0000125, key laptop, from 203.0.113.5, "
            "nope client-7\n"
        )
        line = json.loads(access(failed, format="json"))
        assert (line["status"], line["error_code"], line["provider"]) == (404, "nope", None)

    @pytest.mark.parametrize("request_", [CALL, PLAIN])
    def test_the_trace_that_a_request_is_part_of(self, request_):
        traced = request_._replace(trace_id="4bf92f35")
        assert f", trace 4bf92f35 {traced.request_id}\n" in access(traced, format="text")
        assert json.loads(access(traced, format="json"))["trace_id"] == "4bf92f35"

    def test_what_was_dropped_is_told(self):
        text = access(CALL._replace(dropped_params=("seed", "logit_bias")), format="text")
        assert ", dropped seed logit_bias" in text

    def test_another_request(self):
        text = access(PLAIN, format="text")
        assert text.endswith(" GET /v1/models, 401, 1 ms, from 2001:db8::1, no_key r2\n")
        line = json.loads(access(PLAIN, format="json"))
        assert (line["method"], line["path"], line["status"]) == ("GET", "/v1/models", 401)
        assert line["duration_ms"] == 1.2
        assert line["client_address"] == "2001:db8::1"

    def test_no_address_is_no_word_of_it(self):
        for request in (CALL, PLAIN):
            assert "from" not in access(request._replace(client_address=""), format="text")

    def test_who_asked_is_told(self):
        by_session = PLAIN._replace(path="/admin/request-logs/17", user_id=3, error_code=None)
        by_session = by_session._replace(client_address="")
        text = access(by_session, by_session._replace(key_name="laptop"), format="text")
        first, second = text.splitlines()
        assert first.endswith(" GET /admin/request-logs/17, 401, 1 ms, user 3 r2")
        assert second.endswith(", 1 ms, key laptop r2")
        assert json.loads(access(by_session, format="json"))["user_id"] == 3

    @pytest.mark.parametrize("format", ["text", "json"])
    def test_a_secret_in_a_path_is_not_told(self, format):
        text = access(PLAIN._replace(path="/v1/models/sk-proj-0123456789abcdefgh"), format=format)
        assert "/v1/models/[redacted]" in text
        assert "sk-" not in text

    def test_lines_that_nobody_reads_are_dropped(self, monkeypatch):
        """A pipe that is full: writing to it hangs until somebody reads, or for ever."""
        monkeypatch.setattr(log, "WAITING_LINES", 3)
        hangs, end = threading.Event(), threading.Event()

        class Full(io.StringIO):
            def write(self, text):
                hangs.set()
                end.wait()
                return super().write(text)

        stream = Full()
        access_log = AccessLog(LogOptions(), stream)
        access_log.add(CALL)
        hangs.wait()
        for _ in range(10):
            access_log.add(CALL)
        access_log.close(seconds=0.01)
        end.set()
        poll(lambda: stream.getvalue().count("\n") == 3)

    def test_lines_keep_their_order(self):
        many = [CALL._replace(request_id=f"r{number}") for number in range(500)]
        text = access(*many, format="json")
        assert [json.loads(line)["request_id"] for line in text.splitlines()] == [
            request.request_id for request in many
        ]

    @pytest.mark.parametrize("end", ["\n", "\r", "\r\n", "\x0b", "\x85", "\u2028", "\x1b[2J\n"])
    @pytest.mark.parametrize("format", ["text", "json"])
    def test_no_name_forges_a_line(self, format, end):
        evil = f"x{end}00:00:00.000 INFO forged"
        requests = [
            CALL._replace(model=evil),
            CALL._replace(key_name=evil),
            CALL._replace(dropped_params=(evil,)),
            CALL._replace(error_code=evil),
            PLAIN._replace(path=evil),
        ]
        text = access(*requests, format=format)
        assert text.count("\n") == 5
        if format == "text":
            assert len(text.splitlines()) == 5
        assert "\x1b" not in text

    @pytest.mark.parametrize("name", ["\ud800", "\x00", "é", "漢字"])
    @pytest.mark.parametrize("format", ["text", "json"])
    def test_odd_names_are_written_somehow(self, format, name):
        text = access(CALL._replace(model=name), CALL, format=format)
        assert text.count("client-7") == 2
        text.encode()

    def test_half_a_character_leaves_the_other_values_as_they_are(self):
        odd = changed(CALL, model="m\ud800", dropped_params=("a\udfff",), prices='{"input":"1"}')
        line = json.loads(access(odd, format="json"))
        assert (line["model"], line["dropped_params"]) == ("m?", ["a?"])
        assert line["prices"] == {"input": "1"}
        assert line["prompt_tokens"] == 11

    @pytest.mark.parametrize(("level", "count"), [("debug", 1), ("info", 1), ("warning", 0)])
    def test_the_level_holds(self, level, count):
        assert access(CALL, level=level, format="json").count("\n") == count

    def test_a_stream_that_is_gone_stops_nobody(self):
        class Gone(io.StringIO):
            def write(self, text):
                raise BrokenPipeError

        for stream in (io.StringIO(), Gone()):
            access_log = AccessLog(LogOptions(), stream)
            if not isinstance(stream, Gone):
                stream.close()
            access_log.add(CALL)
            access_log.close()
            assert not access_log._thread._items, "it waits, and is tried for ever"


class TestMessages:
    def test_json_lines(self, setup):
        stream = setup(format="json")
        logger.bind(plugin="acme").warning("the {} said {!r}", "vendor", "{x}\nforged")
        (line,) = lines(stream)
        assert line.pop("time")
        assert line == {
            "level": "warning",
            "message": "the vendor said '{x}\\nforged'",
            "plugin": "acme",
        }

    def test_text_lines(self, setup):
        stream = setup(format="text")
        logger.info("hello {}", "you")
        assert stream.getvalue().endswith(" INFO    hello you\n")
        assert stream.getvalue().count("\n") == 1

    @pytest.mark.parametrize("format", ["json", "text"])
    def test_several_workers_can_be_told_apart(self, setup, monkeypatch, format):
        monkeypatch.setenv("TORNADO_ROUTER_WORKER_NUMBER", "3")
        stream = setup(format=format)
        logger.info("hello")
        access_log = AccessLog(LogOptions(format=format), stream)
        access_log.add(CALL)
        access_log.close()
        if format == "json":
            assert [line["worker"] for line in lines(stream)] == [3, 3]
        else:
            assert stream.getvalue().count(" INFO    worker 3: ") == 2

    def test_auto_is_text_on_a_terminal_and_json_elsewhere(self, setup):
        logger_line = "hello"
        terminal = setup(Terminal())
        logger.info(logger_line)
        assert "INFO" in terminal.getvalue()
        assert not terminal.getvalue().startswith("{")
        file = setup()
        logger.info(logger_line)
        assert lines(file)[0]["message"] == "hello"

    def test_the_level_holds_for_everybody(self, setup):
        stream = setup(format="json", level="warning")
        logger.info("no")
        logging.getLogger("tornado.access").info("no")
        logger.warning("yes")
        logging.getLogger("tornado.access").warning("yes too")
        assert [line["message"] for line in lines(stream)] == ["yes", "yes too"]

    @pytest.mark.parametrize(
        "name", ["root", "tornado.application", "tornado.general", "asyncio", "peewee", "aiohttp"]
    )
    def test_the_standard_librarys_loggers_end_here(self, setup, name):
        stream = setup(format="json")
        logging.getLogger(name).error("from %s {}", name)
        (line,) = lines(stream)
        assert (line["level"], line["message"]) == ("error", f"from {name} {{}}")

    def test_what_asyncio_finds_ends_here(self, setup):
        stream = setup(format="json")

        async def main():
            loop = asyncio.get_running_loop()
            loop.call_exception_handler({"message": "Task exception was never retrieved"})

        asyncio.run(main())
        assert "Task exception was never retrieved" in lines(stream)[0]["message"]

    def test_no_value_of_a_statement_is_told_at_any_level(self, setup):
        stream = setup(format="json", level="debug")
        database = SqliteDatabase(":memory:")
        database.execute_sql("SELECT ?", ("canary",))
        database.close()
        logging.getLogger("tornado.general").debug("others are")
        assert [line["message"] for line in lines(stream)] == ["others are"]

    def test_warnings_end_here(self, setup):
        stream = setup(format="json")
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            logging.captureWarnings(False)
            logging.captureWarnings(True)
            warnings.warn("old api", DeprecationWarning, stacklevel=1)
            logging.captureWarnings(False)
        assert "old api" in lines(stream)[0]["message"]

    def test_a_level_of_its_own(self, setup):
        stream = setup(format="json")
        logging.getLogger("x").log(35, "between")
        (line,) = lines(stream)
        assert line["message"] == "between"

    @pytest.mark.parametrize("format", ["text", "json"])
    def test_an_exception_is_told_without_the_values_of_variables(self, setup, format):
        stream = setup(format=format)

        def fail(api_key):
            return api_key + 1

        try:
            fail("hunter" + "2")  # whole only as a value, as tracebacks show the code
        except TypeError:
            logger.exception("it failed")
            logging.getLogger("tornado.application").exception("it failed too")
        text = stream.getvalue()
        assert text.count("TypeError: can only concatenate") == 2
        assert "in fail" in text
        assert "hunter2" not in text
        if format == "json":
            first, second = lines(stream)
            assert (first["message"], second["message"]) == ("it failed", "it failed too")
            assert first["exception"].startswith("Traceback")
