"""The last good policy and the bundles it names, on disk: what an agent obeys while Postgres is away."""

import hashlib
import os
from pathlib import Path

import msgspec

from ml_pipeline.errors import BundleError, PolicyError
from ml_pipeline.online.bundle import LinearBundle, decode
from ml_pipeline.online.policy import PolicyDocument, read_document


class _Kept(msgspec.Struct):
    checksum: str
    document: str


class PolicyCache:
    """One folder; several agents may share it. Files are replaced whole."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep_policy(self, document: PolicyDocument) -> None:
        """Keep ``document`` as the last good one."""
        text = msgspec.json.encode(document).decode()
        kept = _Kept(hashlib.sha256(text.encode()).hexdigest(), text)
        self._replace(self._folder / "policy.json", msgspec.json.encode(kept))

    def last_policy(self) -> PolicyDocument | None:
        """Return the last good policy; None where there is none.

        Raises:
            PolicyError: if the file was altered or cannot be read.
        """
        try:
            kept = msgspec.json.decode((self._folder / "policy.json").read_bytes(), type=_Kept)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.MsgspecError) as error:
            raise PolicyError(f"the kept policy cannot be read: {error}; it is fetched again") from error
        if hashlib.sha256(kept.document.encode()).hexdigest() != kept.checksum:
            raise PolicyError("the kept policy was altered; it is fetched again")
        return read_document(kept.document.encode())

    def keep_bundle(self, digest: str, content: bytes) -> None:
        self._replace(self._bundle(digest), content)

    def bundle(self, digest: str) -> LinearBundle | None:
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
        unnamed.write_bytes(content)
        unnamed.replace(path)
