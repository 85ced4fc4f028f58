"""An institution's floor: no run's policy may be looser than it, in any field. Pure, but for ``read``.

A floor is a policy file in which every key may be left out. There may be two, ``/etc/fumehood/policy.toml`` and the
file that ``FUMEHOOD_POLICY_FLOOR`` names; both bind, so the tighter value of each field does. A floor that cannot be
read or trusted is a refusal, never no floor. It binds this program, not whoever holds the engine's socket.
"""

import os
import stat
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ByteSize, ConfigDict, ValidationError, create_model

from fumehood.errors import PolicyError
from fumehood.policy import GpuAccess, Policy, RoomLimits, explain

SYSTEM: Final = Path("/etc/fumehood/policy.toml")
VARIABLE: Final = "FUMEHOOD_POLICY_FLOOR"
_LARGEST: Final = 1024 * 1024
_NAMES: Final = frozenset({"name", "description"})
"""What a floor may carry for its readers; it binds nothing."""
_RUNTIMES: Final = ("runc", "runsc")
"""From loose to tight."""


@dataclass(frozen=True)
class Floor:
    """The values of one file, by dotted key (``train.memory``), as parsed: sizes in bytes, times in seconds."""

    source: str
    values: Mapping[str, Any]


def enforce(policy: Policy, floors: Sequence[Floor]) -> Policy:
    """The policy itself, if it is at least as tight as every floor in every field. Raises PolicyError otherwise."""
    asked = _flat(policy)
    found = [
        f"{key} is {_shown(asked[key])}, and {floor.source} allows {_bound(key, limit)}"
        for floor in floors
        for key, limit in floor.values.items()
        if key not in _NAMES and not _is_within(key, asked[key], limit)
    ]
    if found:
        raise PolicyError(
            f"policy {policy.name} is looser than this machine's floor: {'; '.join(found)}",
            "choose a tighter policy (fumehood policy list), or give a file with tighter values",
        )
    return policy


def _is_within(key: str, asked: Any, limit: Any) -> bool:
    """Whether ``asked`` is at most as loose as ``limit``."""
    if key == "runtime":
        return _RUNTIMES.index(asked) >= _RUNTIMES.index(limit)
    if isinstance(limit, bool):  # what can be demanded: True is the tight value of every switch
        return asked or not limit
    if isinstance(limit, tuple):  # what may be let in: fewer is tighter
        return set(asked) <= set(limit)
    if isinstance(limit, str):  # a profile is neither tighter nor looser than another
        return bool(asked == limit)
    return bool(asked <= limit)


def _bound(key: str, limit: Any) -> str:
    if key == "runtime":
        return "/".join(_RUNTIMES[_RUNTIMES.index(limit) :])
    return f"only {_shown(limit)}" if isinstance(limit, bool | str | tuple) else f"at most {_shown(limit)}"


def _shown(value: Any) -> str:
    if isinstance(value, ByteSize):
        return f"{int(value)} ({value.human_readable()})"
    if isinstance(value, tuple):
        return ", ".join(value) or "none"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _flat(model: BaseModel) -> dict[str, Any]:
    """Dotted keys, two levels deep; what is None is left out."""
    flat: dict[str, Any] = {}
    for key, value in model:
        if isinstance(value, BaseModel):
            flat |= {f"{key}.{inner}": v for inner, v in value if v is not None}
        elif value is not None:
            flat[key] = value
    return flat


# ---- reading -------------------------------------------------------------------------------------------------------


def read(environment: Mapping[str, str] | None = None, system: Path = SYSTEM) -> list[Floor]:
    """The floors that hold here, none if there is neither file nor variable.

    Raises PolicyError for a file that is named or there but cannot be read, trusted or understood.
    """
    named = (os.environ if environment is None else environment).get(VARIABLE)
    return [_parse(path, content) for path, content in _contents(Path(named) if named else None, system)]


def _contents(named: Path | None, system: Path) -> Iterator[tuple[Path, bytes]]:
    if (content := _read_trusted(system)) is not None:
        yield system, content
    if named is not None:
        if (content := _read_trusted(named)) is None:
            raise _unusable(named, "there is no such file", f"correct {VARIABLE}, or unset it")
        yield named, content


def _read_trusted(path: Path) -> bytes | None:
    """The content of a file that nobody but root and this user can write; None where there is no such file."""
    try:
        # A FIFO in its place must not make us wait for a writer.
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            status = os.fstat(file.fileno())
            if why := _distrust(status):
                raise _unusable(path, why, "chown it to root and chmod it to 0644")
            content = file.read(_LARGEST + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _unusable(path, f"it cannot be read: {error.strerror or error}", "ask the administrator") from error
    if len(content) > _LARGEST:
        raise _unusable(path, "it is larger than 1 MiB", "a floor has one line for each key")
    return content


def _distrust(status: os.stat_result) -> str | None:
    """Why a file is not to be believed, if so."""
    if not stat.S_ISREG(status.st_mode):
        return "it is not a regular file"
    if status.st_uid not in (0, os.getuid()):
        return f"it belongs to user {status.st_uid}, neither to root nor to you"
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        return f"others can write to it (mode {stat.S_IMODE(status.st_mode):04o})"
    return None


def _parse(path: Path, content: bytes) -> Floor:
    try:
        stated = _Floor.model_validate(tomllib.loads(content.decode("utf-8")))
    except UnicodeDecodeError as error:
        raise _unusable(path, "it is not UTF-8", "ask the administrator") from error
    except tomllib.TOMLDecodeError as error:
        raise _unusable(path, f"it is not TOML: {error}", "ask the administrator") from error
    except ValidationError as error:
        raise _unusable(path, explain(error), "its keys are a policy's: fumehood policy show standard") from error
    return Floor(str(path), _flat(stated))


def _unusable(path: Path, why: str, hint: str) -> PolicyError:
    return PolicyError(f"the policy floor {path} cannot be used, so nothing is run: {why}", hint)


def _partial(name: str, model: type[BaseModel], **replaced: Any) -> type[BaseModel]:
    """``model`` with every key optional and its own checks of single values."""
    fields: dict[str, Any] = {
        key: (replaced.get(key, field.rebuild_annotation()) | None, None) for key, field in model.model_fields.items()
    }
    return create_model(name, __config__=ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False), **fields)


_Limits: Final = _partial("FloorLimits", RoomLimits)
_Gpu: Final = _partial("FloorGpu", GpuAccess)
_Floor: Final = _partial("Floor", Policy, gpu=_Gpu, prepare=_Limits, train=_Limits, predict=_Limits)
