"""Which GPUs a run gets: those that are asked for, if the host has them and the policy allows them; else a refusal.

GPUs are chosen once, at the start of a run, and known by their UUIDs from then on: numbers change with a reboot. What
was asked for and cannot be had is an EngineError, never a run on the CPU. ``parse``, ``read_smi``, ``choose``,
``gvisor_lacks`` and ``findings`` are pure; ``look`` asks the vendor's tool, which only works on the engine's own
machine, and the engine, which may list CDI devices on any.
"""

import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple

from fumehood.errors import EngineError, UsageError
from fumehood.policy import Policy
from fumehood.sandbox import engine
from fumehood.sandbox.cage import CDI_KIND, Gpu, Grant
from fumehood.sandbox.room import engine_errors

_HEX: Final = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_CARD: Final = rf"GPU-{_HEX}"
_UUID: Final = re.compile(rf"{_CARD}|MIG-{_HEX}|MIG-{_CARD}/\d+/\d+")
"""A GPU; a MIG instance; the same as drivers before 470 call it."""
_SMI_CARD: Final = re.compile(rf"GPU \d+: .* \(UUID: ({_CARD})\)")
_SMI_MIG: Final = re.compile(r"\s+MIG .* \(UUID: (MIG-[^)]+)\)")
_SMI_S: Final = 30.0
"""Longest wait for ``nvidia-smi``, which may have to load the driver first."""
_TOOLKIT: Final = ("nvidia-container-runtime-hook", "nvidia-cdi-hook")
"""Either of these programs lets an engine bring GPUs in."""
_NO_SOCKETS: Final = "nvidia-ctk cdi generate --feature-flag disable-ipc-discoverer leaves the host's sockets out"
_HINT: Final = "fumehood doctor tells which GPUs there are; --gpus none trains on the CPU"


@dataclass(frozen=True)
class Wanted:
    """What ``--gpus`` asks for: these, or so many, or (both empty) all there are, and at least one."""

    uuids: tuple[str, ...] = ()
    count: int | None = None


@dataclass(frozen=True)
class Seen:
    """GPUs of the engine's host that a room could be given, those least used first."""

    gpus: tuple[Gpu, ...]
    split: tuple[str, ...]
    """UUIDs of GPUs in MIG mode: only their instances can be given."""
    in_cdi: frozenset[str]
    """UUIDs that the engine lists as CDI devices."""
    toolkit: bool | None
    """Whether the vendor's container toolkit is installed; None where that cannot be seen from here."""


def parse(text: str) -> Wanted | None:
    """The option's value; None is no GPU. Raises UsageError."""
    if text == "none":
        return None
    if text == "auto":
        return Wanted()
    if re.fullmatch(r"[1-9]\d?", text):
        return Wanted(count=int(text))
    uuids = tuple(text.split(","))
    if all(_UUID.fullmatch(uuid) for uuid in uuids) and len(set(uuids)) == len(uuids):
        return Wanted(uuids=uuids)
    raise UsageError(
        f"--gpus {text!r} is neither none, auto, a number from 1 to 99 nor a list of distinct UUIDs",
        "nvidia-smi -L lists UUIDs: GPU-... of a whole GPU, MIG-... of an instance; put commas between them",
    )


def resolve(text: str | None, policy: Policy) -> tuple[str, ...]:
    """UUIDs of the GPUs that a run gets which was started with ``--gpus text`` (None: without it) under ``policy``.

    Asks the engine only where a GPU is wanted. Raises UsageError for an option that cannot be read, EngineError where
    the policy allows too few, or the engine's host does not have them.
    """
    unasked = None if policy.gpu.on_request or not policy.gpu.devices else Wanted()
    wanted = unasked if text is None else parse(text)
    if wanted is None:
        return ()
    _check_allowed(wanted, policy)
    endpoint, client = engine.reach()
    with engine_errors("describing itself"):
        info = client.info()
    _check_runtime(info, policy)
    return tuple(gpu.uuid for gpu in choose(wanted, policy, look(info, local=endpoint.is_local)))


def grant(uuids: Sequence[str], policy: Policy, info: Mapping[str, Any], *, local: bool) -> Grant | None:
    """How rooms get the GPUs that a run began with; None for none. Raises EngineError where they are not to be had."""
    if not uuids:
        return None
    wanted = Wanted(uuids=tuple(uuids))
    _check_allowed(wanted, policy)
    _check_runtime(info, policy)
    seen = look(info, local=local)
    chosen = choose(wanted, policy, seen)
    in_cdi = all(gpu.uuid in seen.in_cdi for gpu in chosen)
    if not in_cdi and seen.toolkit is False:
        raise EngineError(
            "the GPUs are there, and the NVIDIA container toolkit, which brings them into a room, is not",
            "install nvidia-container-toolkit and restart the engine; or --gpus none",
        )
    return Grant(chosen, "cdi" if in_cdi else "nvidia", policy.gpu)


def choose(wanted: Wanted, policy: Policy, seen: Seen) -> tuple[Gpu, ...]:
    """The wanted ones of those that were seen. Raises EngineError where they are too few or not there."""
    if wanted.uuids:
        return _named(wanted.uuids, seen)
    most = wanted.count or policy.gpu.devices
    if not seen.gpus or len(seen.gpus) < (wanted.count or 1):
        asked = f"{wanted.count} GPUs are" if wanted.count and wanted.count > 1 else "a GPU is"
        raise EngineError(f"{asked} asked for, and the engine's host has {_told(seen)}", _HINT)
    return seen.gpus[:most]


def _named(uuids: Sequence[str], seen: Seen) -> tuple[Gpu, ...]:
    there = {gpu.uuid: gpu for gpu in seen.gpus}
    for uuid in uuids:
        if uuid in seen.split:
            raise EngineError(f"{uuid} is in MIG mode, so only its instances can be given: {_told(seen)}", _HINT)
        if uuid not in there:
            raise EngineError(f"{uuid} is asked for, and the engine's host has {_told(seen)}", _HINT)
    return tuple(there[uuid] for uuid in uuids)


def _told(seen: Seen) -> str:
    return ", ".join(sorted(gpu.uuid for gpu in seen.gpus)) or "none"


def _check_allowed(wanted: Wanted, policy: Policy) -> None:
    most, asked = policy.gpu.devices, len(wanted.uuids) or wanted.count or 1
    if asked > most:
        allowed = f"at most {most}" if most else "none"
        raise EngineError(
            f"{asked} GPU{'s are' if asked > 1 else ' is'} asked for, and policy {policy.name} allows {allowed}",
            "choose a policy that allows them (fumehood policy show gpu), or --gpus none",
        )


def _check_runtime(info: Mapping[str, Any], policy: Policy) -> None:
    if gvisor_lacks(info, policy):
        raise EngineError(
            f"policy {policy.name} with a GPU needs gVisor's nvproxy, and the engine's runtime runsc is without it",
            "register runsc with --nvproxy among its runtimeArgs; or --gpus none; or --policy gpu, without gVisor",
        )


def gvisor_lacks(info: Mapping[str, Any], policy: Policy) -> bool:
    """Whether rooms under this policy would be gVisor's, and its driver proxy is off."""
    arguments = ((info.get("Runtimes") or {}).get("runsc") or {}).get("runtimeArgs") or []
    return policy.runtime == "runsc" and not {"--nvproxy", "--nvproxy=true"} & set(arguments)


# ---- looking -------------------------------------------------------------------------------------------------------


def look(info: Mapping[str, Any], *, local: bool) -> Seen:
    """The GPUs of the engine's host, from the vendor's tool where it can be run, else from the engine's CDI devices.

    A MIG instance is known from the tool only: CDI does not say which GPU it is part of.
    """
    in_cdi = _cdi_uuids(info)
    if local and (tool := shutil.which("nvidia-smi")):
        gpus, split = read_smi(_run([tool, "-L"]), _run([tool, *_QUERY]))
    else:
        gpus, split = tuple(Gpu(uuid, uuid) for uuid in sorted(in_cdi) if uuid.startswith("GPU-")), ()
    toolkit = any(shutil.which(program) for program in _TOOLKIT) if local else None
    return Seen(gpus, split, in_cdi, toolkit)


_QUERY: Final = ("--query-gpu=uuid,mig.mode.current,memory.used", "--format=csv,noheader,nounits")


def read_smi(listing: str, states: str) -> tuple[tuple[Gpu, ...], tuple[str, ...]]:
    """The output of ``nvidia-smi -L`` and of the query: what can be given, least used first, and what is in MIG mode.

    A GPU in MIG mode cannot be given whole; before there are instances there is nothing of it to be given.
    """
    rows = [[field.strip() for field in line.split(",")] for line in states.splitlines()]
    used = {row[0]: int(row[2]) if row[2].isdigit() else 0 for row in rows if len(row) == 3}
    split = tuple(row[0] for row in rows if len(row) == 3 and row[1] == "Enabled")
    found = [gpu for gpu in _listed(listing) if gpu.is_mig or gpu.uuid not in split]
    return tuple(sorted(found, key=lambda gpu: used.get(gpu.card, 0))), split


def _listed(listing: str) -> Iterator[Gpu]:
    card = ""
    for line in listing.splitlines():
        if whole := _SMI_CARD.fullmatch(line.rstrip()):
            card = whole[1]
            yield Gpu(card, card)
        elif card and (part := _SMI_MIG.fullmatch(line.rstrip())) and _UUID.fullmatch(part[1]):
            yield Gpu(part[1], card)


def _cdi_uuids(info: Mapping[str, Any]) -> frozenset[str]:
    """Devices that the engine found, as far as their names are UUIDs; engines before 28.2 list none."""
    names = [str(device.get("ID", "")) for device in info.get("DiscoveredDevices") or []]
    uuids = {name.removeprefix(f"{CDI_KIND}=") for name in names if name.startswith(f"{CDI_KIND}=")}
    return frozenset(uuid for uuid in uuids if _UUID.fullmatch(uuid))


def _run(command: Sequence[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_SMI_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EngineError(f"nvidia-smi does not answer: {error}", "run it yourself; or --gpus none") from error
    if done.returncode:
        raise EngineError(f"nvidia-smi failed: {(done.stderr or done.stdout).strip()[:300]}", "run it yourself")
    return done.stdout


# ---- for the doctor ------------------------------------------------------------------------------------------------


class Finding(NamedTuple):
    """One answer about GPUs, for people."""

    name: str
    status: Literal["ok", "warn", "fail"]
    seen: str
    hint: str = ""


def examine(info: Mapping[str, Any], policy: Policy, *, local: bool) -> list[Finding]:
    """What a run under ``policy`` would find. A failure is one only where the run would ask without being told to."""
    try:
        return list(findings(look(info, local=local), info, policy))
    except EngineError as error:
        return [Finding("GPUs", _unless_demanded(policy), error.what, error.hint)]


def findings(seen: Seen, info: Mapping[str, Any], policy: Policy) -> Iterable[Finding]:
    if not policy.gpu.devices:
        yield Finding("GPUs", "ok", f"policy {policy.name} allows none")
        return
    bad = _unless_demanded(policy)
    if not seen.gpus:
        yield Finding("GPUs", bad, "the engine's host shows none", "--gpus none, or install the driver (nvidia-smi)")
        return
    yield Finding("GPUs", "ok", f"{_told(seen)}; policy {policy.name} allows {policy.gpu.devices}")
    if gvisor_lacks(info, policy):
        yield Finding("GPUs in gVisor", bad, "runsc is without --nvproxy", "add it to the runtime's runtimeArgs")
    if seen.in_cdi:
        yield Finding("GPUs by CDI", "ok", f"{len(seen.in_cdi)} devices; {_NO_SOCKETS}")
    elif seen.toolkit is False:
        yield Finding("GPUs in rooms", bad, "the NVIDIA container toolkit is missing", "install it, restart the engine")


def _unless_demanded(policy: Policy) -> Literal["warn", "fail"]:
    return "warn" if policy.gpu.on_request else "fail"
