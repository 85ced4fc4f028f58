"""An institution's floor: no run's policy may be looser than it, in any field. Pure, but for ``read``.

A floor is a policy file in which every key may be left out; beside a policy's keys it may say, under ``[llm]``, which
hosts of language models may be asked and what they may be told. There may be two, ``/etc/fumehood/policy.toml`` and the
file that ``FUMEHOOD_POLICY_FLOOR`` names; both bind, so the tighter value of each field does. A floor that cannot be
read or trusted is a refusal, never no floor. It binds this program, not whoever holds the engine's socket.
"""

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, get_args

from pydantic import AfterValidator, BaseModel, ByteSize, ConfigDict, StrictBool, ValidationError, create_model

from fumehood import trusted_file
from fumehood.errors import InternalError, PolicyError
from fumehood.policy import LARGEST, Policy, Role, explain, read_toml
from fumehood.trusted_file import Untrusted

SYSTEM: Final = Path("/etc/fumehood/policy.toml")
VARIABLE: Final = "FUMEHOOD_POLICY_FLOOR"


@dataclass(frozen=True)
class Floor:
    """The values of one file, by dotted key (``train.memory``), as parsed: sizes in bytes, times in seconds."""

    source: str
    values: Mapping[str, Any]


@dataclass(frozen=True)
class Bound:
    """What one floor allows for one key of a policy."""

    source: str
    limit: Any
    words: str
    """``at most 1073741824 (1.0GiB)``"""
    holds: bool
    """Whether the policy keeps it."""


def enforce(policy: Policy, floors: Sequence[Floor]) -> Policy:
    """The policy itself, if it is at least as tight as every floor in every field. Raises PolicyError otherwise."""
    asked = flat(policy)
    found = [
        f"{key} is {shown(asked[key])}, and {bound.source} allows {bound.words}"
        for key, there in bounds(policy, floors).items()
        for bound in there
        if not bound.holds
    ]
    if found:
        raise PolicyError(
            f"policy {policy.name} is looser than this machine's floor: {'; '.join(found)}",
            "choose a tighter policy (fumehood policy list), or give a file with tighter values",
        )
    return policy


def bounds(policy: Policy, floors: Sequence[Floor]) -> dict[str, list[Bound]]:
    """Every key that a floor binds -> what each floor allows for it, the tightest first."""
    asked = flat(policy)
    keys = [key for key in asked if direction(key) is not FREE and any(key in floor.values for floor in floors)]
    return {key: _bounds(key, asked[key], floors) for key in keys}


def _bounds(key: str, asked: Any, floors: Sequence[Floor]) -> list[Bound]:
    way = direction(key)
    found = [
        Bound(floor.source, limit, way.words(limit), way.is_within(asked, limit))
        for floor in floors
        if (limit := floor.values.get(key)) is not None
    ]
    return sorted(found, key=lambda bound: sum(not way.is_within(bound.limit, other.limit) for other in found))


def flat(model: BaseModel) -> dict[str, Any]:
    """Values by dotted key, two levels deep; what is None is left out."""
    values: dict[str, Any] = {}
    for key, value in model:
        if isinstance(value, BaseModel):
            values |= {f"{key}.{inner}": v for inner, v in value if v is not None}
        elif value is not None:
            values[key] = value
    return values


def shown(value: Any) -> str:
    """A value of a policy or floor for people."""
    if isinstance(value, ByteSize):
        return f"{int(value)} ({value.human_readable()})"
    if isinstance(value, tuple):
        return ", ".join(map(str, value)) or "none"
    return str(value).lower() if isinstance(value, bool) else str(value)


# ---- which way is tight ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Direction:
    """Which of two values of a key is the tighter one."""

    is_within: Callable[[Any, Any], bool]
    """Whether the first is at most as loose as the second."""
    words: Callable[[Any], str]
    """What a floor with this value allows."""


_RUNTIMES: Final = ("runc", "runsc")
"""From loose to tight."""

FREE: Final = Direction(lambda _asked, _limit: True, lambda _: "anything")
"""Names and descriptions, for readers: they bind nothing."""
AT_MOST: Final = Direction(lambda asked, limit: bool(asked <= limit), lambda limit: f"at most {shown(limit)}")
TRUE: Final = Direction(
    lambda asked, limit: asked or not limit, lambda limit: "only true" if limit else "true or false"
)
"""A switch that makes things tighter where it is on."""
SAME: Final = Direction(lambda asked, limit: bool(asked == limit), lambda limit: f"only {shown(limit)}")
"""Neither of two values is the tighter one."""
AMONG: Final = Direction(lambda asked, limit: set(asked) <= set(limit), lambda limit: f"only {shown(limit)}")
"""What may be let in: fewer is tighter."""
RUNTIME: Final = Direction(
    lambda asked, limit: _RUNTIMES.index(asked) >= _RUNTIMES.index(limit),
    lambda limit: "only " + " or ".join(_RUNTIMES[_RUNTIMES.index(limit) :]),
)

DIRECTIONS: Final = {
    "name": FREE,
    "description": FREE,
    "runtime": RUNTIME,
    "seccomp": SAME,
    "isolate_seeds": TRUE,
    "raw_data": AT_MOST,
    "gpu.devices": AT_MOST,
    "gpu.on_request": TRUE,
    "gpu.nodes": AMONG,
    "gpu.files": AMONG,
    **{
        f"ROOM.{key}": AT_MOST
        for key in (
            *("memory", "cpus", "pids", "tmp", "exchange", "inodes", "shm", "nofile", "file"),
            *("ready_s", "wall_s", "output"),
        )
    },
}
"""Stated for every key by hand: what the type of a value seems to say may be wrong."""


def direction(key: str) -> Direction:
    """Which way ``key`` is tight. A key for which nobody said it must not pass unjudged: it is a bug."""
    table, _, name = key.rpartition(".")
    found = DIRECTIONS.get(f"ROOM.{name}" if table in get_args(Role) else key)
    if found is None:
        raise InternalError(f"nobody stated whether more or less of {key} is tighter", "report it; nothing was run")
    return found


# ---- language models -------------------------------------------------------------------------------------------------

_HOST: Final = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?|[0-9a-f:.]*:[0-9a-f:.]*")
_URL: Final = re.compile(r"https?://(?:\[([0-9a-f:.]+)\]|([a-z0-9.-]+))(?::[0-9]{1,5})?(?:[/?][!-\[\]-~]*)?", re.ASCII)
"""Only addresses that every client reads alike: no user name, backslash, space or letter beyond ASCII."""


@dataclass(frozen=True)
class LlmBounds:
    """What all floors together allow a language model's client."""

    hosts: frozenset[str] | None
    """Hosts that may be asked; none where it is empty, any where it is None."""
    send_names: bool
    """Whether names of columns and classes may be sent to them."""

    def permits(self, url: str) -> bool:
        """Whether a request may go to ``url``. Where hosts are named, an address of unusual form is not among them."""
        if self.hosts is None:
            return True
        match = _URL.fullmatch(url.lower())
        return match is not None and (match[1] or match[2]) in self.hosts


def llm(floors: Sequence[Floor]) -> LlmBounds:
    """Hosts that every floor names that names any; names may be sent where no floor forbids it."""
    named = [frozenset(floor.values["llm.hosts"]) for floor in floors if "llm.hosts" in floor.values]
    return LlmBounds(
        hosts=frozenset.intersection(*named) if named else None,
        send_names=all(floor.values.get("llm.send_names", True) for floor in floors),
    )


def _host(name: str) -> str:
    if not _HOST.fullmatch(lower := name.lower()):
        raise ValueError("a host is a name or an address, without scheme, port or path")
    return lower


class _Llm(BaseModel):
    """``[llm]`` of a floor; a policy has no such table."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    hosts: tuple[Annotated[str, AfterValidator(_host)], ...] | None = None
    send_names: StrictBool | None = None


# ---- reading ---------------------------------------------------------------------------------------------------------


def read(environment: Mapping[str, str] | None = None, system: Path = SYSTEM) -> list[Floor]:
    """The floors that hold here, none if there is neither file nor variable.

    Raises PolicyError for a file that is named or there but cannot be read, trusted or understood.
    """
    named = (os.environ if environment is None else environment).get(VARIABLE)
    return [_parse(path, content) for path, content in _contents(Path(named) if named else None, system)]


def _contents(named: Path | None, system: Path) -> Iterator[tuple[Path, bytes]]:
    if (content := _content(system)) is not None:
        yield system, content
    if named is not None:
        if (content := _content(named)) is None:
            raise _unusable(named, "there is no such file", f"correct {VARIABLE}, or unset it")
        yield named, content


def _content(path: Path) -> bytes | None:
    try:
        return trusted_file.read(path, LARGEST)
    except Untrusted as error:
        hint = "it and every folder above it belong to root, and no one else may write there: chown root, chmod go-w"
        raise _unusable(path, error.why, hint) from error
    except OSError as error:
        raise _unusable(path, f"it cannot be read: {error.strerror or error}", "ask the administrator") from error


def _parse(path: Path, content: bytes) -> Floor:
    try:
        stated = _Floor.model_validate(read_toml(content))
    except ValidationError as error:
        raise _unusable(path, explain(error), "its keys are a policy's: fumehood policy show standard") from error
    except ValueError as error:
        raise _unusable(path, f"it is {error}", "ask the administrator") from error
    return Floor(str(path), flat(stated))


def _unusable(path: Path, why: str, hint: str) -> PolicyError:
    return PolicyError(f"the policy floor {path} cannot be used, so nothing is run: {why}", hint)


def _partial(model: type[BaseModel], **more: Any) -> type[BaseModel]:
    """``model`` and its tables with every key optional and its own checks of single values, and the keys ``more``."""
    fields: dict[str, Any] = {}
    for key, field in model.model_fields.items():
        kind: Any = field.annotation
        is_table = isinstance(kind, type) and issubclass(kind, BaseModel)
        fields[key] = ((_partial(kind) if is_table else field.rebuild_annotation()) | None, None)
    config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
    return create_model(f"Partial{model.__name__}", __config__=config, **fields, **more)


_Floor: Final = _partial(Policy, llm=(_Llm | None, None))
