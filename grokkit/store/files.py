"""Bytes on disk: files that appear whole or not at all, tensors with a checksum, damage."""

import errno
import hashlib
import json
import os
import stat
import time
import uuid
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatch
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

GARBAGE = (
    *(SafetensorError, pa.ArrowException, RuntimeError),
    *(ValueError, LookupError, TypeError, AttributeError, ArithmeticError),
)  # what parsers raise at bytes that were never written
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class Damaged(ValueError):
    """A stored file is not what was written, or not there though a record names it (no `why`)."""

    def __init__(self, path: Path, why: str = "") -> None:
        super().__init__(f"{path}: damaged ({why})" if why else f"{path}: missing")
        self.path, self.missing = path, not why


class Unreadable(OSError):
    """The system does not give the content of a file now, which says nothing about the content."""


class StoreFull(OSError):
    """The disk is full; what was complete before is still in the store."""


@contextmanager
def naming_full_disk(path: Path) -> Iterator[None]:
    """Turns the error of a disk without space into StoreFull, which names the file."""
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            raise StoreFull(error.errno, f"no space left to write {path}") from error
        raise


def write_atomically(path: Path, data: bytes) -> None:
    """All of the bytes under the final name, or nothing: temporary file, fsync, rename.

    Raises StoreFull where no space is left; the file is as it was.
    """
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        with naming_full_disk(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            with temporary.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


def abandoned(temporary: Path) -> bool:
    """Whether a temporary file is older than an hour, after which nobody writes it any more."""
    try:
        return time.time() - temporary.stat().st_mtime > 3600
    except FileNotFoundError:  # it has just got its final name
        return False


def tensor_bytes(tensors: dict[str, Tensor], meta: dict) -> bytes:
    """safetensors bytes whose header holds `meta`, and checksums of meta alone and of all."""
    text = json.dumps(meta, sort_keys=True)
    # cloned: safetensors refuses tensors that share memory
    return save(
        {name: tensor.detach().cpu().clone().contiguous() for name, tensor in tensors.items()},
        {"meta": text, "meta_sha256": checksum({}, text), "sha256": checksum(tensors, text)},
    )


def checksum(tensors: dict[str, Tensor], text: str) -> str:
    sha = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        array = tensors[name].detach().cpu().contiguous().numpy()
        sha.update(f"{name} {array.dtype} {array.shape}".encode())
        sha.update(array.tobytes())
    return sha.hexdigest()


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turns what goes wrong while a file is read and parsed into Damaged or Unreadable.

    Both name the file. That it does not exist is passed on.
    """
    try:
        yield
    except (Damaged, FileNotFoundError, MemoryError):  # pyarrow's is an ArrowException, too
        raise
    except OSError as error:
        if error.errno is None:  # of a parser, about the content
            raise Damaged(path, str(error)) from error
        why = f"{path}: cannot be read ({error.strerror}), left as it is"
        raise Unreadable(error.errno, why) from error
    except GARBAGE as error:
        if "tried to allocate" in str(error):  # torch, for want of memory
            raise
        raise Damaged(path, f"{type(error).__name__}: {error}") from error


def opened(path: Path) -> BinaryIO:
    """A file, to be read. Raises Damaged for a directory in its place, or a FIFO, which blocks."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise Damaged(path, "not a file")
    return path.open("rb")


def read_checked(path: Path) -> tuple[dict[str, Tensor], dict]:
    """Tensors and meta of a `tensor_bytes` file. Raises Damaged unless it is whole."""
    with reading(path), opened(path) as file:
        data = file.read()  # not mapped: the page faults took 15 ms a network
        size = int.from_bytes(data[:8], "little")  # of the JSON with which safetensors begins
        header, tensors = json.loads(data[8 : 8 + size])["__metadata__"], load(data)
        if checksum(tensors, header["meta"]) != header["sha256"]:
            raise Damaged(path, "its content does not match its checksum")
        return tensors, json.loads(header["meta"])


def read_meta(path: Path) -> dict:
    """The meta of a file of `tensor_bytes`; the tensors stay unread and unchecked."""
    with reading(path), opened(path) as file:  # safe_open takes a lack of handles for damage
        size, whole = int.from_bytes(file.read(8), "little"), os.fstat(file.fileno()).st_size
        header = json.loads(file.read(min(size, whole)))["__metadata__"]
        if checksum({}, header["meta"]) != header["meta_sha256"]:
            raise Damaged(path, "its header does not match its checksum")
        return json.loads(header["meta"])


def listed(folder: Path, pattern: str) -> list[Path]:
    """The files of a folder, sorted; none, and a warning, if it cannot be read."""
    try:
        return sorted(folder / name for name in os.listdir(folder) if fnmatch(name, pattern))
    except FileNotFoundError:
        return []
    except OSError as error:
        warnings.warn(f"{folder}: {error.strerror}; its files count as missing", stacklevel=3)
        return []


def set_aside(path: Path) -> str:
    """Rename a damaged file to *.damaged, for inspection; what was done, for the message."""
    target = path.with_name(f"{path.name}.damaged")
    try:
        path.replace(target)
    except FileNotFoundError:  # never there, or another process was faster
        return "no longer there"
    except OSError as error:
        return f"left where it is ({error.strerror})"
    return f"set aside as {target.name}"
