"""Which process this is, and whether another one of this machine still runs."""

import hashlib
import os
import platform
from dataclasses import dataclass
from functools import cache
from pathlib import Path


@dataclass(frozen=True)
class Process:
    """A process, told apart from a later one that the system gives the same pid."""

    host: str  # the machine, this boot of it and this container: within it a pid means one process
    pid: int
    started: str  # in clock ticks after the boot; empty where the system does not tell

    def gone(self) -> bool:
        """Whether it has certainly ended; False for processes of other machines."""
        if self.host != _host() or not self.started:
            return False
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except PermissionError:  # it runs, as another user
            pass
        state, started = _stat(self.pid)
        return state in ("Z", "X") or started not in ("", self.started)


def this_process() -> Process:
    """The calling process; in a forked child that is the child."""
    pid = os.getpid()
    return Process(_host(), pid, _stat(pid)[1])


def _stat(pid: int) -> tuple[str, str]:
    """State and start of a process as Linux tells them; empty where it does not."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return "", ""
    fields = text.rpartition(")")[2].split()  # before it the name, which may hold anything
    return fields[0], fields[19]


@cache
def _host() -> str:
    parts = [platform.node()]
    for path in ("/proc/sys/kernel/random/boot_id", "/proc/self/ns/pid"):
        try:
            file = Path(path)
            parts.append(str(file.readlink()) if file.is_symlink() else file.read_text().strip())
        except OSError:  # not Linux
            continue
    digest = hashlib.sha256(" ".join(parts).encode()).hexdigest()[:8]
    return f"{parts[0].split('.')[0]}-{digest}"
