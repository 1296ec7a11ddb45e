"""Bytes on disk: files that appear whole or not at all, tensors with a checksum, damage."""

import errno
import hashlib
import json
import os
import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from grokkit.processes import Process, this_process

UNREADABLE = (
    *(SafetensorError, pa.ArrowException),
    *(ValueError, LookupError, TypeError, AttributeError, ArithmeticError),
)  # what parsers raise at bytes that were never written
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
PASSING = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ESTALE, errno.ETIMEDOUT)


class Damaged(ValueError):
    """A stored file is not what was written, or cannot be read. Carries the path."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(f"{path}: damaged ({why})")
        self.path = path


class StoreFull(OSError):
    """The disk is full; what was complete before is still in the store."""


# --- writing ---------------------------------------------------------------------------------


def write_atomically(path: Path, data: bytes, durable: bool = True) -> None:
    """All of the bytes under the final name, or nothing: temporary file, fsync, rename.

    `durable=False` leaves out the fsync: after a power cut the file may be empty.

    Raises:
        StoreFull: no space left; the file is as it was.
    """
    writer = this_process()
    owner = f"{writer.host}.{writer.pid}.{writer.started}.{uuid.uuid4().hex[:8]}"
    temporary = path.with_name(f".{path.name}.{owner}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            file.write(data)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        if error.errno in FULL:
            raise StoreFull(error.errno, f"no space left to write {path}") from error
        raise


def writer_of(temporary: Path) -> Process | None:
    """The process that wrote, or writes, a temporary file; None if its name does not tell."""
    match = re.search(r"\.([^.]+)\.(\d+)\.(\d*)\.[0-9a-f]{8}\.tmp$", temporary.name)
    return Process(match[1], int(match[2]), match[3]) if match else None


def tensor_bytes(tensors: dict[str, Tensor], meta: dict) -> bytes:
    """safetensors bytes whose header holds `meta`, and checksums of meta alone and of all."""
    text = json.dumps(meta, sort_keys=True)
    return save(
        {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()},
        {"meta": text, "meta_sha256": checksum({}, text), "sha256": checksum(tensors, text)},
    )


def checksum(tensors: dict[str, Tensor], text: str) -> str:
    sha = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        array = tensors[name].detach().cpu().contiguous().numpy()
        sha.update(f"{name} {array.dtype} {array.shape}".encode())
        sha.update(array.tobytes())
    return sha.hexdigest()


# --- reading ---------------------------------------------------------------------------------


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turns what goes wrong while a file is read and parsed into Damaged, which names the file.

    A file that does not exist, and errors that say nothing about this file, are passed on.
    """
    try:
        yield
    except (Damaged, FileNotFoundError):
        raise
    except (OSError, *UNREADABLE) as error:
        if isinstance(error, OSError) and error.errno in PASSING:
            raise
        raise Damaged(path, f"{type(error).__name__}: {error}") from error


def read_checked(path: Path) -> tuple[dict[str, Tensor], dict, str]:
    """Tensors, meta and checksum of a `tensor_bytes` file. Raises Damaged unless it is whole."""
    with reading(path), safe_open(path, framework="pt") as file:
        header = file.metadata() or {}
        tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118
        digest = checksum(tensors, header["meta"])
        if digest != header["sha256"]:
            raise Damaged(path, "its content does not match its checksum")
        return tensors, json.loads(header["meta"]), digest


def read_meta(path: Path) -> dict:
    """The meta of a file of `tensor_bytes`; the tensors stay unread and unchecked."""
    with reading(path), safe_open(path, framework="pt") as file:
        header = file.metadata() or {}
        if checksum({}, header["meta"]) != header["meta_sha256"]:
            raise Damaged(path, "its header does not match its checksum")
        return json.loads(header["meta"])


def read_tensors(path: Path) -> tuple[dict[str, Tensor], str]:
    """Tensors and checksum of a file that must be there. Raises Damaged unless it is whole."""
    try:
        tensors, _, digest = read_checked(path)
    except FileNotFoundError as error:
        raise Damaged(path, "missing") from error
    return tensors, digest


def set_aside(path: Path) -> str:
    """Rename a damaged file to *.damaged, for inspection; what was done, for the message."""
    target = path.with_name(f"{path.name}.damaged")
    try:
        path.replace(target)
    except FileNotFoundError:
        return "already moved away"
    except OSError as error:
        return f"left where it is ({error.strerror})"
    return f"set aside as {target.name}"
