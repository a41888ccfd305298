"""What kind of file system a folder lies on."""

import re
from pathlib import Path

_NETWORKED = """
    9p afs beegfs ceph cifs coda gpfs lustre ncpfs nfs nfs4 orangefs panfs pvfs2 smb3 smbfs glusterfs
    fuse.ceph fuse.davfs fuse.gcsfuse fuse.glusterfs fuse.goofys fuse.juicefs fuse.rclone fuse.s3fs fuse.sshfs
"""
NETWORKED = frozenset(_NETWORKED.split())
"""On these a lock may not hold between hosts, a write may wait for a network, and an fsync may promise nothing."""

MOUNTS = Path("/proc/self/mountinfo")


def file_system(folder: Path, mounts: Path = MOUNTS) -> str | None:
    """Return the type of file system that ``folder`` lies on, or would be made on; None where nobody says."""
    try:
        lines = mounts.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return None
    target = folder.resolve()
    found: tuple[int, str] | None = None
    for line in lines:
        before, _, after = line.partition(" - ")
        point = Path(_unescaped(before.split()[4]))
        # The longest mount point holds; of equal ones the latest hides the others.
        if target.is_relative_to(point) and (found is None or len(point.parts) >= found[0]):
            found = len(point.parts), after.split()[0]
    return found and found[1]


def _unescaped(path: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), path)
