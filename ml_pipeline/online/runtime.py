"""What the services of one process share: recorder, shipper, policy, reads, and the memory of conversations."""

import contextlib
import os
import threading
from dataclasses import dataclass
from pathlib import Path

from ml_pipeline.online.conversations import Conversations
from ml_pipeline.online.policy.reader import PolicyReader
from ml_pipeline.online.predicting.activity import Activity
from ml_pipeline.online.reading.facade import Facade
from ml_pipeline.online.recording.buffers import KnownAccounts
from ml_pipeline.online.recording.launcher import ShipperLauncher
from ml_pipeline.online.recording.recorder import Recorder, shared_recorder
from ml_pipeline.online.redaction import warm_up
from ml_pipeline.settings import Settings

SHIPPER_END_SECONDS = 2.0
LOADING_SECONDS = 5.0
"""The longest that a fork waits for libraries being loaded; they take a quarter of a second."""


@dataclass(slots=True)
class Runtime:
    """The parts at work on one spool and one database. ``users``: started services that hold it."""

    settings: Settings
    recorder: Recorder
    launcher: ShipperLauncher
    policy: PolicyReader
    facade: Facade
    conversations: Conversations
    activity: Activity
    loading: threading.Thread
    known: KnownAccounts
    pid: int
    users: int = 0

    def is_foreign(self) -> bool:
        """Tell whether this is a parent's, after a fork."""
        return self.pid != os.getpid()

    def close(self) -> None:
        """Give the spool away and end the threads; the shipper goes on until all is in Postgres."""
        if self.loading.ident:
            self.loading.join()
        self.policy.stop()
        self.facade.close()
        self.recorder.close()  # last: what the others noted until now would open it again
        self.launcher.ensure()
        self.launcher.wait(SHIPPER_END_SECONDS)


_runtimes: dict[tuple[Path, str], Runtime] = {}
_lock = threading.Lock()


def acquire(settings: Settings, spool: Path, dsn: str) -> Runtime:
    """Return the process's runtime for ``spool`` and ``dsn``, started. Opens no connection itself."""
    key = (spool.absolute(), dsn)
    with _lock:
        runtime = _runtimes.get(key)
        if runtime is None or runtime.is_foreign():
            # After a fork the parent's threads and connections are not ours; its objects are left alone.
            runtime = _runtimes[key] = _start(settings, *key)
        runtime.users += 1
        return runtime


def release(runtime: Runtime) -> None:
    """Let go of ``runtime``; the last one out closes it. In a forked child the parent's is left alone."""
    with _lock:
        runtime.users -= 1
        if runtime.users > 0 or runtime.is_foreign():
            return
        for key, known in list(_runtimes.items()):
            if known is runtime:
                del _runtimes[key]
    runtime.close()


def release_later(runtime: Runtime) -> None:
    """Let go of ``runtime`` from a thread: for a dropped service, whose loop must not wait."""
    threading.Thread(target=release, args=(runtime,), name="release", daemon=True).start()


def _start(settings: Settings, spool: Path, dsn: str) -> Runtime:
    recorder = shared_recorder(spool, settings.spool_max_bytes, settings.fsync_seconds, settings.spool_when_full)
    serving = next(
        (known for (folder, _), known in _runtimes.items() if folder == spool and not known.is_foreign()), None
    )
    launcher = serving.launcher if serving else ShipperLauncher(spool, dsn, settings.shipper)
    recorder.on_tick = launcher.ensure
    recorder.start()
    if serving:
        # A spool's records cannot be told apart by database: the first one named gets them all.
        recorder.note("spool_serves_another_database", "initialize")
    policy = PolicyReader(
        dsn, settings.cache, settings.policy_poll_seconds, lambda reason: recorder.note(reason, "policy")
    )
    loading = threading.Thread(target=_load, args=(policy,), name="loading", daemon=True)
    with contextlib.suppress(RuntimeError):  # the interpreter ends: what is recorded is on disk, no more is needed
        loading.start()
    return Runtime(
        settings,
        recorder,
        launcher,
        policy,
        Facade(dsn),
        Conversations(),
        Activity(),
        loading,
        KnownAccounts(),
        os.getpid(),
    )


def _load(policy: PolicyReader) -> None:
    """Follow the policy, and load the libraries that no call shall wait for."""
    from ml_pipeline.online import store  # noqa: F401 - the threads to come find it loaded

    policy.start()
    warm_up()


def _before_fork() -> None:
    # An import that a fork cuts in two holds its module's lock in the child for ever, and the child's calls with it.
    for runtime in list(_runtimes.values()):
        if not runtime.is_foreign() and runtime.loading.ident:
            runtime.loading.join(LOADING_SECONDS)


def _after_fork() -> None:
    global _lock  # noqa: PLW0603 - the parent's other threads may have held it
    _lock = threading.Lock()


os.register_at_fork(before=_before_fork, after_in_child=_after_fork)
