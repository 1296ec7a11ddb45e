"""Bytes on disk: files that appear whole or not at all, tensors with a checksum."""

import errno
import hashlib
import json
import os
import uuid
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor


class Damaged(ValueError):
    """A stored file is not what was written. Carries the path; the run is to be trained again."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(f"{path}: damaged ({why})")
        self.path = path


class StoreFull(OSError):
    """The disk is full; what was complete before is still in the store."""


def write_atomically(path: Path, data: bytes) -> None:
    """All of the bytes under the final name, or nothing: temporary file, fsync, rename."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StoreFull(error.errno, f"no space left to write {path}") from error
        raise


def tensor_bytes(tensors: dict[str, Tensor], meta: dict) -> bytes:
    """safetensors bytes whose header holds `meta` and a checksum over meta and tensors."""
    text = json.dumps(meta, sort_keys=True)
    return save(
        {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()},
        {"meta": text, "sha256": checksum(tensors, text)},
    )


def checksum(tensors: dict[str, Tensor], text: str) -> str:
    sha = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        array = tensors[name].detach().cpu().contiguous().numpy()
        sha.update(f"{name} {array.dtype} {array.shape}".encode())
        sha.update(array.tobytes())
    return sha.hexdigest()


def read_checked(path: Path) -> tuple[dict[str, Tensor], dict, str]:
    """Tensors, meta and checksum of a `tensor_bytes` file. Raises Damaged unless it is whole."""
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118
        meta = json.loads(header["meta"])
    except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
        if isinstance(error, FileNotFoundError):
            raise
        raise Damaged(path, f"{type(error).__name__}: {error}") from error
    digest = checksum(tensors, header["meta"])
    if digest != header.get("sha256"):
        raise Damaged(path, "its content does not match its checksum")
    return tensors, meta, digest


def read_meta(path: Path) -> dict:
    """The meta of a file of `tensor_bytes`, unchecked. Raises Damaged if it cannot be read."""
    try:
        with safe_open(path, framework="pt") as file:
            return json.loads(file.metadata()["meta"])
    except FileNotFoundError:
        raise
    except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
        raise Damaged(path, f"{type(error).__name__}: {error}") from error


def read_tensors(path: Path) -> tuple[dict[str, Tensor], str]:
    try:
        tensors, _, digest = read_checked(path)
    except FileNotFoundError as error:
        raise Damaged(path, "missing") from error
    return tensors, digest
