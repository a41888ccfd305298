"""A server that takes what peers send and forgets it, but for how many events there were. A process of its own."""

import gzip
import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread


@contextmanager
def running_sink() -> Iterator[str]:
    """Run a sink; yield its URL."""
    command = [sys.executable, "-m", "benchmarks.sink"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        yield process.stdout.readline().strip()
        process.terminate()


def taken_by(sink: str) -> int:
    """Return how many events the sink took since it was last asked."""
    with urllib.request.urlopen(f"{sink}/taken", timeout=60) as answer:  # noqa: S310 - our own, on 127.0.0.1
        return int(answer.read())


class _Sink(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.bodies: list[tuple[str, bytes]] = []
        self.guard = Lock()

    def take(self, path: str, body: bytes) -> None:
        with self.guard:
            self.bodies.append((path, body))

    def handle_error(self, *_: object) -> None:
        """Say nothing: whoever was killed while sending was meant to be."""

    def count(self) -> int:
        """Count what came, only now: reading it would take time from whoever is measured."""
        with self.guard:
            bodies, self.bodies = self.bodies, []
        return sum(_events_in(path, body) for path, body in bodies)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Sink

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        self.server.take(self.path, body)
        self._answer(b"{}" if "json" in self.headers.get("Content-Type", "") else b"")

    def do_GET(self) -> None:
        self._answer(str(self.server.count()).encode() if self.path == "/taken" else b"{}")

    def log_message(self, *_: object) -> None:
        pass

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _events_in(path: str, body: bytes) -> int:
    if path.endswith("/traces"):
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

        traces = ExportTraceServiceRequest.FromString(body)
        return sum(len(scope.spans) for resource in traces.resource_spans for scope in resource.scope_spans)
    if path.endswith("/logs"):
        from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

        logs = ExportLogsServiceRequest.FromString(body)
        return sum(len(scope.log_records) for resource in logs.resource_logs for scope in resource.scope_logs)
    return len(json.loads(body).get("batch", ()))


def main() -> None:
    sink = _Sink()
    print(f"http://127.0.0.1:{sink.server_port}", flush=True)
    Thread(target=sink.serve_forever, daemon=True).start()
    sys.stdin.read()  # ends with whoever started it


if __name__ == "__main__":
    main()
