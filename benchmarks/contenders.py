"""What may record an event of a live call: ours, our parts, and the libraries it is compared with, as they ship."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import msgspec

from benchmarks.said import EVENT_TYPE, Said
from ml_pipeline.online.ids import fresh_event_id
from ml_pipeline.online.recording.recorder import Event, Recorder

CONVERSATION = "6f1d7a52-0c9e-5b1f-9c55-2f0f6e0f4d10"
SPOOL_BYTES = 1 << 30
FSYNC_SECONDS = 0.05


@dataclass(frozen=True)
class Place:
    """Where contenders put events: a folder of their own, an HTTP sink, a database by its owner's and the agent's URL.

    ``is_sink_null``: OpenTelemetry exports to nowhere, so that nothing of its export takes the GIL from the caller.
    """

    folder: Path
    sink: str
    owner_dsn: str
    capture_dsn: str
    is_sink_null: bool = False


class Contender(Protocol):
    """``record`` is what a call pays; it may return an awaitable. ``settle`` waits until all of it left the process."""

    def prepare(self, said: Said) -> Any: ...
    def record(self, prepared: Any) -> Any: ...
    def settle(self) -> None: ...


class Nothing:
    """A conversation that records nothing."""

    def __init__(self, place: Place) -> None:
        self.place = place

    def prepare(self, said: Said) -> Any:
        return said

    def record(self, prepared: Any) -> Any:
        pass

    def settle(self) -> None:
        pass


def event(said: Said) -> Event:
    at = datetime.now(UTC)
    return Event(
        id=fresh_event_id(at),
        event_type=EVENT_TYPE,
        event_category="agent",
        timestamp=at,
        data=said,
        conversation_id=CONVERSATION,
    )


class Encoder(Nothing):
    """The JSON encoder alone."""

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self.record = msgspec.json.Encoder().encode

    def prepare(self, said: Said) -> Event:
        return event(said)


class OurRecorder(Nothing):
    """The recorder alone: an event that is built goes on the disk."""

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self._recorder = Recorder(place.folder / "recorder", SPOOL_BYTES, FSYNC_SECONDS)

    def prepare(self, said: Said) -> Event:
        return event(said)

    def record(self, prepared: Event) -> None:
        self._recorder.record(prepared, "benchmark")


class TrackEvent(Nothing):
    """The whole call of the agent: read, clean, mask, encode, put on the disk."""

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        from ml_pipeline import MLPipelineService

        self._service = MLPipelineService(dsn=place.capture_dsn, spool=place.folder / "service")

    def record(self, prepared: Said) -> Any:
        return self._service.track_event(CONVERSATION, EVENT_TYPE, prepared)


class LogProcessor(Nothing):
    """OpenTelemetry's BatchLogRecordProcessor."""

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
        from opentelemetry.sdk._logs import LoggerProvider
        from opentelemetry.sdk._logs.export import BatchLogRecordProcessor

        exporter = _Nowhere() if place.is_sink_null else OTLPLogExporter(f"{place.sink}/v1/logs")
        self._provider = LoggerProvider()
        self._provider.add_log_record_processor(BatchLogRecordProcessor(exporter))
        self._emit = self._provider.get_logger("benchmark").emit

    def record(self, prepared: Said) -> None:
        self._emit(event_name=EVENT_TYPE, attributes=prepared)

    def settle(self) -> None:
        self._provider.force_flush()


class SpanProcessor(Nothing):
    """OpenTelemetry's BatchSpanProcessor."""

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        exporter = _Nowhere() if place.is_sink_null else OTLPSpanExporter(f"{place.sink}/v1/traces")
        self._provider = TracerProvider()
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._start_span = self._provider.get_tracer("benchmark").start_span

    def record(self, prepared: Said) -> None:
        self._start_span(EVENT_TYPE, attributes=prepared).end()

    def settle(self) -> None:
        self._provider.force_flush()


class _Nowhere:
    """An exporter of logs or spans that has exported them already."""

    def export(self, _: Any) -> Any:
        from opentelemetry.sdk._logs.export import LogRecordExportResult

        return LogRecordExportResult.SUCCESS

    def shutdown(self) -> None:
        pass

    def force_flush(self, timeout_millis: int = 0) -> bool:
        return True


class PostHog(Nothing):
    def __init__(self, place: Place) -> None:
        super().__init__(place)
        from posthog import Posthog

        self._client = Posthog("phc_benchmark", host=place.sink)

    def record(self, prepared: Said) -> None:
        self._client.capture(EVENT_TYPE, distinct_id=CONVERSATION, properties=prepared)

    def settle(self) -> None:
        self._client.flush()


class LangfuseSdk(Nothing):
    def __init__(self, place: Place) -> None:
        super().__init__(place)
        from langfuse import Langfuse

        self._client = Langfuse(public_key="pk-lf-benchmark", secret_key="benchmark", base_url=place.sink)  # noqa: S106

    def record(self, prepared: Said) -> None:
        self._client.start_observation(name=EVENT_TYPE, input=prepared).end()

    def settle(self) -> None:
        self._client.flush()


class Insert(Nothing):
    """A psycopg2 INSERT into the log's own table, a transaction each."""

    IS_SYNCED = True

    STATEMENT = """
        INSERT INTO ml_tracking_events
            (id, conversation_id, event_type, event_category, timestamp, data, writer, sequence)
        VALUES (%s, %s, %s, 'agent', %s, %s, %s, %s)
    """

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        import psycopg2

        connection = psycopg2.connect(place.owner_dsn)
        connection.autocommit = True
        self._cursor = connection.cursor()
        self._cursor.execute("SET synchronous_commit TO %s", ("on" if self.IS_SYNCED else "off",))
        self._cursor.execute("SELECT ensure_day_partition('ml_tracking_events', %s)", (datetime.now(UTC).date(),))
        self._execute = self._cursor.execute

    def prepare(self, said: Said) -> tuple[object, ...]:
        built = event(said)
        data = msgspec.json.encode(built.data).decode()
        return built.id, CONVERSATION, EVENT_TYPE, built.timestamp, data, CONVERSATION, said["number"]

    def record(self, prepared: tuple[object, ...]) -> None:
        self._execute(self.STATEMENT, prepared)


class UnsyncedInsert(Insert):
    """An INSERT that, as our recorder, leaves it to others to wait for the disk."""

    IS_SYNCED = False


CONTENDERS: dict[str, Callable[[Place], Contender]] = {
    "nothing": Nothing,
    "encoder": Encoder,
    "recorder": OurRecorder,
    "track_event": TrackEvent,
    "otel_log": LogProcessor,
    "otel_span": SpanProcessor,
    "posthog": PostHog,
    "langfuse": LangfuseSdk,
    "insert": Insert,
    "insert_unsynced": UnsyncedInsert,
}
