"""The last good policy and the bundles it names, on disk: what an agent obeys while Postgres is away."""

import hashlib
import os
from pathlib import Path

import msgspec

from ml_pipeline.errors import BundleError, PolicyError
from ml_pipeline.online.policy.document import MOST_BYTES, too_large
from ml_pipeline.online.predicting.bundle import Bundle, decode


class _Kept(msgspec.Struct):
    checksum: str
    document: str


class PolicyCache:
    """One folder; several agents may share it. Files are replaced whole."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._policy = folder / "policy.json"

    def keep_policy(self, document: bytes) -> None:
        """Keep ``document``, as it was read, as the last good one: a later release may understand more of it."""
        text = document.decode()
        kept = _Kept(hashlib.sha256(document).hexdigest(), text)
        self._replace(self._policy, msgspec.json.encode(kept))

    def last_policy(self) -> bytes | None:
        """Return the last good policy as it was read; None where there is none.

        Raises:
            PolicyError: if the file was altered or cannot be read.
        """
        try:
            # The checksum and the quoting of JSON in JSON come on top.
            size = self._policy.stat().st_size
            if size > 2 * MOST_BYTES:
                raise too_large(size)
            kept = msgspec.json.decode(self._policy.read_bytes(), type=_Kept)
            document = kept.document.encode()
        except FileNotFoundError:
            return None
        except (OSError, msgspec.MsgspecError, UnicodeError) as error:
            raise PolicyError(
                "kept_policy_unreadable", f"the kept policy cannot be read: {error}; it is fetched again"
            ) from error
        if hashlib.sha256(document).hexdigest() != kept.checksum:
            raise PolicyError("kept_policy_altered", "the kept policy was altered; it is fetched again")
        return document

    def keep_bundle(self, digest: str, content: bytes) -> None:
        self._replace(self._bundle(digest), content)

    def bundle(self, digest: str) -> Bundle | None:
        """Return the bundle named ``digest``; None where it is not here. An altered one is thrown away.

        Raises:
            BundleError: if it was altered, or no bundle this release can run.
        """
        path = self._bundle(digest)
        try:
            content = path.read_bytes()
        except OSError:
            return None
        try:
            return decode(content, digest)
        except BundleError:
            path.unlink(missing_ok=True)
            raise

    def _bundle(self, digest: str) -> Path:
        # A digest comes from outside; as a file name it must be one.
        return self._folder / "bundles" / f"{hashlib.sha256(digest.encode()).hexdigest()}.json"

    def _replace(self, path: Path, content: bytes) -> None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        unnamed = path.with_suffix(f".{os.getpid()}.new")
        with unnamed.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        unnamed.replace(path)
