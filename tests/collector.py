"""A collector of OpenTelemetry for tests: takes OTLP over HTTP and remembers what it got."""

from __future__ import annotations

import gzip
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


class Collector:
    """What came.

    Attributes:
        url: of the collector.
        raw: every body, unpacked.
        headers: of every request.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.raw: list[tuple[str, bytes]] = []
        self.headers: list[dict[str, str]] = []

    def spans(self) -> list:
        return [
            span
            for path, data in list(self.raw)
            if path == "/v1/traces"
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
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in item.attributes}


@contextmanager
def collector():
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            it.raw.append((self.path, body))
            it.headers.append(dict(self.headers))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

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
