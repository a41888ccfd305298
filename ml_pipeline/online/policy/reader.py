"""Keeps the policy in force up to date, from one background thread: LISTEN, with a poll behind it."""

import contextlib
import hashlib
import logging
import os
import random
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ml_pipeline.errors import BundleError, DatabaseError, PolicyError
from ml_pipeline.online.policy.cache import PolicyCache
from ml_pipeline.online.policy.document import (
    MOST_BYTES,
    Model,
    ModelEntry,
    Policy,
    PolicyDocument,
    read_document,
    too_large,
)
from ml_pipeline.online.predicting.bundle import Bundle, decode
from ml_pipeline.online.predicting.predictor import Predictor

log = logging.getLogger(__name__)

CONNECT_SECONDS = 5
STATEMENT_SECONDS = 5.0
REST_SECONDS = 0.001
"""After each part of a new model: whoever reads it holds the interpreter, and the agent's calls go first."""


class PolicyReader:
    """Reads the policy of the database at ``dsn``. ``policy`` is replaced whole, so a reader needs no lock.

    ``note(reason)`` is told of every refusal and failure.
    """

    def __init__(self, dsn: str, cache: Path, poll_seconds: float, note: Callable[[str], None]) -> None:
        self.policy = Policy()
        self.read_at: datetime | None = None
        self._dsn = dsn
        self._folder = cache
        self._cache = PolicyCache(cache)
        self._poll_seconds = poll_seconds
        self._note = note
        self._document: PolicyDocument | None = None
        # Not the policy's position: the copy on disk may be of a release that kept less of it.
        self._seen: tuple[int, int] | None = None
        self._refused: set[str] = set()
        self._missing: set[str] = set()
        self._tried = threading.Event()
        self._stopping = threading.Event()
        self._waker, self._wake = os.pipe()
        self._thread = threading.Thread(target=self._run, name="policy", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def wait_for_first(self, timeout_seconds: float) -> None:
        """Wait until the database was asked once, however that went."""
        self._tried.wait(timeout_seconds)

    def stop(self) -> None:
        """End the thread."""
        self._stopping.set()
        os.write(self._wake, b".")
        if self._thread.is_alive():
            self._thread.join(timeout=CONNECT_SECONDS + STATEMENT_SECONDS)
        if not self._thread.is_alive():
            os.close(self._waker)
            os.close(self._wake)

    def _run(self) -> None:
        try:
            self._cache = cache_of(self._folder, self._dsn)
            self._load_last()
        except Exception as error:  # noqa: BLE001 - without a last policy the agent still serves
            log.warning("policy.failed error=%s", type(error).__name__)
            self._note("policy_failed")
        while not self._stopping.is_set():
            try:
                self._follow()
            except DatabaseError as error:
                log.info("policy.unreachable error=%s", error)
                self._note("policy_unreachable")
            except Exception as error:  # noqa: BLE001 - the thread that keeps the policy must survive
                log.warning("policy.failed error=%s", type(error).__name__)
                self._note("policy_failed")
            self._tried.set()
            self._stopping.wait(random.uniform(0.5, 1.0) * self._poll_seconds)

    def _follow(self) -> None:
        from ml_pipeline.online import store

        connection = store.connect(self._dsn, timeout_seconds=CONNECT_SECONDS, statement_seconds=STATEMENT_SECONDS)
        try:
            store.listen_to_policy(connection)
            while not self._stopping.is_set():
                self._read(connection)
                self._tried.set()
                store.wait_for_notice(connection, self._waker, self._poll_seconds)
        finally:
            connection.close()

    def _load_last(self) -> None:
        try:
            if kept := self._cache.last_policy():
                self._adopt(read_document(kept), None)
        except PolicyError as error:
            self._refuse(error)

    def _read(self, connection: Any) -> None:
        """Obey what the database says, where it says something new."""
        from ml_pipeline.online import store

        row = store.changed_policy(connection, self._seen, most_bytes=MOST_BYTES)
        self.read_at = datetime.now(UTC)
        if row is None:
            if self._document and self._missing:
                self._adopt(self._document, connection)
            return
        try:
            if row["document"] is None:
                raise too_large(row["bytes"])
            given = row["document"].encode()
            self._adopt(self._newer(read_document(given)), connection)
            with contextlib.suppress(OSError):  # a full disk must not stop a rollback
                self._cache.keep_policy(given)
        except PolicyError as error:
            self._refuse(error)
        self._seen = row["epoch"], row["n"]

    def _newer(self, document: PolicyDocument) -> PolicyDocument:
        if document.position < self.policy.position:
            raise PolicyError(
                "policy_older",
                f"policy {document.position} is older than {self.policy.position}; the newer one stays, until "
                "raise_epoch() says that the database was restored",
            )
        return document

    def _refuse(self, error: PolicyError) -> None:
        log.warning("policy.refused error=%s", error)
        self._note(error.reason)

    def _adopt(self, document: PolicyDocument, connection: Any) -> None:
        """Put ``document`` in force with the models that prove themselves; without the others the caller answers."""
        running = {model.entry.digest: model.predictor for model in self.policy.models}
        self._missing = set()
        models = []
        for entry in document.models:
            predictor = running.get(entry.digest) or self._load(entry, connection)
            if predictor:
                models.append(Model(entry, predictor))
        self._document = document
        self.policy = Policy(document.position, tuple(models), document.experiments, document.switches, document.models)
        log.info("policy.adopted epoch=%d n=%d models=%d", document.epoch, document.n, len(models))

    def _load(self, entry: ModelEntry, connection: Any) -> Predictor | None:
        if entry.digest in self._refused:
            return None
        try:
            bundle = self._bundle(entry.digest, connection)
            if bundle is None:
                self._missing.add(entry.digest)
                self._note("bundle_missing")
                return None
            return _predictor(bundle, entry)
        except BundleError as error:
            log.warning("policy.bundle_refused version=%s error=%s", entry.version, error)
            self._refused.add(entry.digest)
            self._note("bundle_refused")
            return None
        except DatabaseError as error:  # the rest of the policy, a kill switch perhaps, waits for no bundle
            log.warning("policy.bundle_unreachable version=%s error=%s", entry.version, error)
            self._missing.add(entry.digest)
            self._note("bundle_missing")
            return None

    def _bundle(self, digest: str, connection: Any) -> Bundle | None:
        from ml_pipeline.online import store

        try:
            if kept := self._cache.bundle(digest):
                return kept
        except BundleError as error:
            log.warning("policy.cache_refused error=%s", error)
            self._note("bundle_altered")
        content = store.bundle_content(connection, digest, _rest) if connection is not None else None
        if content is None:
            return None
        bundle = decode(content, digest)
        with contextlib.suppress(OSError):
            self._cache.keep_bundle(digest, content)
        return bundle


def _predictor(bundle: Bundle, entry: ModelEntry) -> Predictor:
    model = bundle.model
    if (model.task, model.mode, model.version) != (entry.task, entry.mode, entry.version):
        raise BundleError(f"bundle {entry.digest[:12]} is {model.version}, the policy says {entry.version}")
    return Predictor(bundle, _rest)


def _rest() -> None:
    time.sleep(REST_SECONDS)


def cache_of(folder: Path, dsn: str) -> PolicyCache:
    """Return what is kept below ``folder`` of the database at ``dsn``.

    Another database is another history of policies: theirs must not outrank ours.
    """
    from psycopg2.extensions import parse_dsn

    parts = parse_dsn(dsn)
    where = "/".join(str(parts.get(name, "")) for name in ("host", "port", "dbname"))
    return PolicyCache(folder / hashlib.sha256(where.encode()).hexdigest()[:16])
