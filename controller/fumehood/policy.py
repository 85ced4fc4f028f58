"""A policy: every limit of every room, read once, frozen, passed explicitly.

Nothing has a default. A key that is missing, unknown or out of range is an error, so an empty policy permits nothing.
What no policy can switch on (a network, capabilities, a host path, a writable root) has no key here.
"""

import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ByteSize,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from fumehood import assets
from fumehood.errors import PolicyError

Role = Literal["prepare", "train", "predict"]
LARGEST: Final = 1024 * 1024
"""Bytes of a policy file; a page is usual."""
_MIB = 1024 * 1024
_Size = Annotated[ByteSize, Field(ge=_MIB, le=2**50)]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True)


def _driver_node(name: str) -> str:
    """A node of the driver's that belongs to no GPU. A GPU's own nodes are known from the driver, not from a policy."""
    if not re.fullmatch(r"nvidia[a-z-][a-z0-9*/-]*", name):
        raise ValueError("a node is a name under /dev that begins with nvidia and a letter or hyphen")
    return name


def _driver_file(path: str) -> str:
    """A file that names the driver's maker, so that no policy can let in anything else of the host's."""
    if not re.fullmatch(r"/(usr|lib|etc)/[\w.*+/-]+", path) or ".." in path:
        raise ValueError("a driver file lies under /usr, /lib or /etc")
    if not re.search(r"nvidia|/libcuda|/libnv", path):
        raise ValueError("a driver file has nvidia, libcuda or libnv in its path")
    return path


def matches(path: str, patterns: tuple[str, ...]) -> bool:
    """Whether ``path`` is one of ``patterns``, in which ``*`` stands for any part of a name and never for a ``/``."""
    return any(re.fullmatch(re.escape(p).replace(r"\*", "[^/]*"), path) for p in patterns)


class GpuAccess(_Frozen):
    """What train and predict rooms may have of the host's GPUs. A prepare room never has any."""

    devices: Annotated[int, Field(ge=0, le=64)]
    """Whole GPUs or MIG instances that a run may have, together; 0 is none at all."""
    on_request: bool
    """A run has GPUs only where --gpus asks for them; false: without --gpus it has all there are, up to ``devices``."""
    nodes: Annotated[tuple[Annotated[str, AfterValidator(_driver_node)], ...], Field(max_length=20)]
    """Nodes under /dev that may come with a GPU, beside its own; a * stands for part of a name."""
    files: Annotated[tuple[Annotated[str, AfterValidator(_driver_file)], ...], Field(max_length=100)]
    """Driver files of the host that may be mounted with a GPU, each read-only; a * stands for part of a name."""


class RoomLimits(_Frozen):
    """What one room may use. Sizes in bytes (``"4GiB"`` in a file), times in seconds of wall time."""

    memory: _Size
    """Anonymous memory and page cache of the room; swap is never added."""
    cpus: Annotated[float, Field(ge=0.1, le=4096)]
    """Upper bound; a host with fewer gives what it has."""
    pids: Annotated[int, Field(ge=16, le=65536)]
    """Processes and threads together."""
    tmp: _Size
    """The room's /tmp, in memory."""
    exchange: _Size
    """Volume with what goes in and comes out, and that of a train room for its weights; less than ``memory``."""
    inodes: Annotated[int, Field(ge=64, le=10_000_000)]
    """Files and folders in each of /tmp and the exchange volume."""
    shm: _Size
    """The room's /dev/shm, in memory."""
    nofile: Annotated[int, Field(ge=64, le=1_048_576)]
    """Files that one process may hold open."""
    file: _Size
    """Largest file that any process of the room can write, sparse ones included."""
    ready_s: Annotated[float, Field(gt=0, le=3600)]
    """Longest time from the room's creation to an accepted attestation."""
    wall_s: Annotated[float, Field(gt=0, le=30 * 86400)]
    """Longest time from the start signal to the end of the job."""
    output: _Size
    """Most that the controller reads back, weights included."""

    @model_validator(mode="after")
    def _exchange_fits(self) -> Self:
        # Files in a tmpfs volume are the room's memory while it lives, and outlive it in a hand-over volume.
        if self.exchange >= self.memory:
            raise ValueError("exchange must be smaller than memory")
        return self

    @property
    def host_bytes(self) -> int:
        """Most memory of the host that a room under these limits can hold: its own and all its tmpfs."""
        return int(self.memory + self.tmp + self.exchange + self.shm)


class Policy(_Frozen):
    name: Annotated[str, Field(min_length=1, max_length=60, pattern=r"^[A-Za-z0-9._-]+$")]
    """How reports and messages call it."""
    description: Annotated[str, Field(min_length=1, max_length=500)]
    """What it is for, in one sentence."""
    runtime: Literal["runc", "runsc"]
    """OCI runtime that the engine must have registered; runsc is gVisor."""
    seccomp: Annotated[str, Field(max_length=60, pattern=r"^[a-z0-9-]+\.json$")]
    """Filter of system calls: a profile shipped beside the policies, and no other."""
    isolate_seeds: bool
    """Every seed in rooms of its own, so that the seeds' independence is a fact."""
    raw_data: _Size
    """Largest raw data file that is taken in."""
    gpu: GpuAccess
    """GPUs that rooms may have."""
    prepare: RoomLimits
    """Limits of the room where our loader reads a data file."""
    train: RoomLimits
    """Limits of the room where a candidate is trained."""
    predict: RoomLimits
    """Limits of the room where a candidate predicts."""

    @field_validator("seccomp")
    @classmethod
    def _is_shipped(cls, name: str) -> str:
        known = sorted(path.name for path in assets.policies().glob("*.json"))
        if name not in known:
            raise ValueError(f"there is no such profile; shipped: {', '.join(known)}")
        return name

    @model_validator(mode="after")
    def _raw_data_fits(self) -> Self:
        if self.raw_data > self.prepare.exchange:
            raise ValueError("raw_data must fit into prepare.exchange, through which a data file enters")
        return self

    @property
    def host_bytes(self) -> int:
        """Most memory of the host that the rooms of one candidate can hold: a predict room warms while it trains."""
        return max(self.prepare.host_bytes, self.train.host_bytes + self.predict.host_bytes)

    def limits(self, role: Role) -> RoomLimits:
        return {"prepare": self.prepare, "train": self.train, "predict": self.predict}[role]


def shipped() -> list[str]:
    """Names of the policies that come with Fumehood."""
    return sorted(path.stem for path in assets.policies().glob("*.toml"))


def load(name_or_path: str) -> Policy:
    """Read a shipped policy by name, or one from a file.

    Raises PolicyError for one that does not exist, is not TOML, or has a missing, unknown or bad key, which it names.
    """
    path = assets.policies() / f"{name_or_path}.toml" if name_or_path in shipped() else Path(name_or_path)
    if not _is_file(path):
        raise PolicyError(
            f"there is no policy {name_or_path!r}",
            f"shipped policies: {', '.join(shipped())}; or give the path of a TOML file",
        )
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
        return Policy.model_validate(read_toml(content))
    except OSError as error:
        hint = "give permission to read it, or name another one (fumehood policy list)"
        raise PolicyError(f"policy {name_or_path!r} cannot be read: {error.strerror or error}", hint) from error
    except ValidationError as error:
        raise PolicyError(f"policy {name_or_path!r}: {explain(error)}", "fumehood policy show standard") from error
    except ValueError as error:
        hint = "policies/README.md has the keys; start from a copy of one that is shipped"
        raise PolicyError(f"policy {name_or_path!r} is {error}", hint) from error


def read_toml(content: bytes) -> dict[str, Any]:
    """The values of a policy file. Raises ValueError with what it is instead, as ``not TOML: ...``."""
    if len(content) > LARGEST:
        raise ValueError(f"larger than {LARGEST} bytes")
    try:
        return tomllib.loads(content.decode("utf-8"))
    except UnicodeDecodeError:
        raise ValueError("not UTF-8 text") from None
    except RecursionError:
        raise ValueError("not TOML: it is nested too deeply") from None
    except ValueError as error:  # a number of thousands of digits is no TOMLDecodeError
        raise ValueError(f"not TOML: {error}") from None


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # too long a name, or a folder that may not be entered
        return False


def explain(error: ValidationError) -> str:
    """Every problem of a policy file with the key it is about."""
    texts = {"extra_forbidden": "unknown key", "missing": "missing key"}
    return "; ".join(
        f"{'.'.join(str(part) for part in item['loc']) or 'policy'}: {texts.get(item['type'], item['msg'])}"
        for item in error.errors()
    )
