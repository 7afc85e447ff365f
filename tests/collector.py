"""A collector of OpenTelemetry for tests: takes OTLP over HTTP and remembers what it got."""

from __future__ import annotations

import gzip
import threading
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


class Collector:
    """What came.

    Attributes:
        url: of the collector.
        raw: every body, unpacked.
        headers: of every request.
        requests: how many began.
        status: to answer with.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.raw: list[tuple[str, bytes]] = []
        self.headers: list[dict[str, str]] = []
        self.requests = 0
        self.status = 200
        self.answers = threading.Event()
        self.answers.set()

    @contextmanager
    def silent(self):
        """Takes what comes, and answers nothing meanwhile."""
        self.answers.clear()
        try:
            yield
        finally:
            self.answers.set()

    def spans(self) -> list:
        return [
            span
            for path, data in list(self.raw)
            if path == "/v1/traces"
            for span in self.spans_of(data)
        ]

    @staticmethod
    def spans_of(data: bytes) -> list:
        return [
            span
            for resource in ExportTraceServiceRequest.FromString(data).resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    def metrics(self) -> dict:
        """The last of each name."""
        return {
            metric.name: metric
            for path, data in list(self.raw)
            if path == "/v1/metrics"
            for resource in ExportMetricsServiceRequest.FromString(data).resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
        }


def attributes(item) -> dict:
    return {one.key: _value(one.value) for one in item.attributes}


def _value(value):
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(item) for item in value.array_value.values]
    return getattr(value, kind)


@contextmanager
def collector():
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            it.requests += 1
            body = self.rfile.read(int(self.headers["Content-Length"]))
            it.answers.wait()
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            if it.status == 200:
                it.raw.append((self.path, body))
            it.headers.append(dict(self.headers))
            self.send_response(it.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def handle(self):
            with suppress(OSError):  # whoever waited for an answer may have gone
                super().handle()

        def log_message(self, *_):
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    it = Collector(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield it
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
