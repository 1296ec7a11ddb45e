"""One lock a run, held while it trains: no two processes, or threads, train a run at once.

It is a `flock` of the empty file `<key>.lock`. The system drops it when its process ends, killed
or not, so a lock never goes stale; a suspended process keeps what it holds. This holds on local
file systems and on network ones whose `flock` reaches the server: NFS 4, or NFS 3 with lockd, not
mounted with `nolock` or `local_lock`. There the server frees what a crashed machine held when that
machine's lease has run out.
"""

from pathlib import Path

from filelock import FileLock, Timeout

from grokkit.store.files import naming_full_disk


class RunLock:
    """The lock of one run, for a `with` block; `as` tells whether it was free and is held now."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = FileLock(path, timeout=0, thread_local=False)

    def __enter__(self) -> bool:
        """Never waits. Raises StoreFull: no space for the file."""
        try:
            with naming_full_disk(self._path):
                self._lock.acquire()
        except Timeout:
            return False
        return True

    def __exit__(self, *_: object) -> None:
        self._lock.release()
