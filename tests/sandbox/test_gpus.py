"""GPUs are those that were asked for, are there, and are allowed; anything else is refused, and never becomes a CPU."""

import stat
from pathlib import Path
from typing import Any

import pytest
from cages import CARD, INSTANCE, OTHER_CARD

from fumehood import policy
from fumehood.errors import EngineError, UsageError
from fumehood.policy import Policy
from fumehood.sandbox import gpus
from fumehood.sandbox.cage import Gpu
from fumehood.sandbox.gpus import Seen, Wanted

pytestmark = pytest.mark.unit

GPU, STRICT, STANDARD = (policy.load(name) for name in ("gpu", "strict", "standard"))
NVPROXY = {"Runtimes": {"runc": {}, "runsc": {"path": "runsc", "runtimeArgs": ["--network=none", "--nvproxy"]}}}
LISTING = f"""GPU 0: NVIDIA A100-SXM4-40GB (UUID: {CARD})
  MIG 3g.20gb     Device  0: (UUID: {INSTANCE})
  MIG 1c.3g.20gb  Device  1: (UUID: MIG-{CARD}/7/0)
GPU 1: Tesla T4 (odd) name (UUID: {OTHER_CARD})
"""
STATES = f"{CARD}, Enabled, 1200\n{OTHER_CARD}, [N/A], 3\n"


def seen(*found: Gpu, split: tuple[str, ...] = (), in_cdi: tuple[str, ...] = (), toolkit: bool | None = True) -> Seen:
    return Seen(found, split, frozenset(in_cdi), toolkit)


ONE, TWO = Gpu(CARD, CARD), Gpu(OTHER_CARD, OTHER_CARD)


def allowing(count: int) -> Policy:
    return GPU.model_copy(update={"gpu": GPU.gpu.model_copy(update={"devices": count})})


def refusal(call: Any, *arguments: Any, **named: Any) -> str:
    with pytest.raises(EngineError) as refused:
        call(*arguments, **named)
    assert refused.value.exit_code == 6
    assert refused.value.hint
    return refused.value.what


# ---- the option ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("none", None),
        ("auto", Wanted()),
        ("1", Wanted(count=1)),
        ("16", Wanted(count=16)),
        (CARD, Wanted(uuids=(CARD,))),
        (f"{OTHER_CARD},{INSTANCE}", Wanted(uuids=(OTHER_CARD, INSTANCE))),
        (f"MIG-{CARD}/7/0", Wanted(uuids=(f"MIG-{CARD}/7/0",))),
    ],
)
def test_the_option_says_none_all_so_many_or_which(text: str, wanted: Wanted | None) -> None:
    assert gpus.parse(text) == wanted


@pytest.mark.parametrize(
    "text",
    ["", "0", "-1", "2x", "1.0", "١", "100", "all", "None", "0,1", "GPU-5d5b", f"{CARD},", f"{CARD},{CARD}",
     CARD.upper(), f" {CARD}", f"{CARD};{OTHER_CARD}", "nvidia.com/gpu=0", "/dev/nvidia0", "\x1b[31m"],
)  # fmt: skip
def test_anything_else_is_a_mistake_of_the_command_line(text: str) -> None:
    with pytest.raises(UsageError) as refused:
        gpus.parse(text)
    assert refused.value.exit_code == 2
    assert "nvidia-smi -L" in refused.value.hint


# ---- what there is ---------------------------------------------------------------------------------------------------


def test_a_gpu_in_mig_mode_is_offered_in_instances_only_and_the_least_used_comes_first() -> None:
    found, split = gpus.read_smi(LISTING, STATES)
    assert found == (TWO, Gpu(INSTANCE, CARD), Gpu(f"MIG-{CARD}/7/0", CARD))
    assert split == (CARD,)


def test_a_gpu_in_mig_mode_without_instances_offers_nothing() -> None:
    listing = "".join(line + "\n" for line in LISTING.splitlines() if "MIG " not in line)
    assert gpus.read_smi(listing, STATES) == ((TWO,), (CARD,))


@pytest.mark.parametrize("text", ["", "No devices were found\n", "NVIDIA-SMI has failed\n", "GPU 0: x (UUID: GPU-1)\n"])
def test_a_host_without_gpus_offers_none(text: str) -> None:
    assert gpus.read_smi(text, text) == ((), ())


def tool(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str, name: str = "nvidia-smi") -> None:
    """A program of that name, first on PATH."""
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(folder), prepend=":")


@pytest.fixture
def smi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in (("listing", LISTING), ("states", STATES)):
        (tmp_path / name).write_text(text)
    answer = f'if [ "$1" = -L ]; then cat {tmp_path}/listing; else cat {tmp_path}/states; fi'
    tool(tmp_path, monkeypatch, answer)


@pytest.mark.usefixtures("smi")
def test_the_vendors_tool_is_asked_on_the_engines_own_machine_only() -> None:
    assert [gpu.uuid for gpu in gpus.look({}, local=True).gpus] == [OTHER_CARD, INSTANCE, f"MIG-{CARD}/7/0"]
    assert gpus.look({}, local=False).gpus == ()


def test_a_tool_that_fails_is_told_with_its_own_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool(tmp_path, monkeypatch, "echo couldn\\'t communicate with the NVIDIA driver >&2; exit 9")
    assert "couldn't communicate with the NVIDIA driver" in refusal(gpus.look, {}, local=True)


def test_a_remote_engine_is_believed_about_its_cdi_devices_as_far_as_they_are_uuids() -> None:
    names = ["nvidia.com/gpu=0", "nvidia.com/gpu=all", f"nvidia.com/gpu={CARD}", f"nvidia.com/gpu={INSTANCE}", "x=y"]
    info = {"DiscoveredDevices": [{"Source": "cdi", "ID": name} for name in names]}
    found = gpus.look(info, local=False)
    assert found.gpus == (ONE,), "of an instance CDI does not tell the GPU that it is part of"
    assert found.in_cdi == {CARD, INSTANCE}


# ---- what is given ---------------------------------------------------------------------------------------------------


def test_what_is_asked_for_is_given() -> None:
    there = seen(TWO, ONE)
    assert gpus.choose(Wanted(), GPU, there) == (TWO, ONE)
    assert gpus.choose(Wanted(), allowing(1), there) == (TWO,)
    assert gpus.choose(Wanted(count=1), GPU, there) == (TWO,)
    assert gpus.choose(Wanted(uuids=(CARD,)), GPU, there) == (ONE,)


@pytest.mark.parametrize(
    ("wanted", "there", "words"),
    [
        (Wanted(), seen(), "a GPU is asked for, and the engine's host has none"),
        (Wanted(count=1), seen(), "a GPU is asked for, and the engine's host has none"),
        (Wanted(count=2), seen(ONE), f"2 GPUs are asked for, and the engine's host has {CARD}"),
        (Wanted(uuids=(OTHER_CARD,)), seen(ONE), f"{OTHER_CARD} is asked for, and the engine's host has {CARD}"),
        (Wanted(uuids=(CARD,)), seen(Gpu(INSTANCE, CARD), split=(CARD,)), f"{CARD} is in MIG mode"),
    ],
)
def test_what_is_not_there_is_refused(wanted: Wanted, there: Seen, words: str) -> None:
    assert words in refusal(gpus.choose, wanted, GPU, there)


@pytest.mark.parametrize("text", ["auto", "1", CARD])
def test_a_policy_that_allows_none_is_asked_for_none(text: str) -> None:
    assert "1 GPU is asked for, and policy standard allows none" in refusal(gpus.resolve, text, STANDARD)


def test_no_more_than_the_policy_allows() -> None:
    asked = f"{CARD},{OTHER_CARD}"
    assert "2 GPUs are asked for, and policy gpu allows at most 1" in refusal(gpus.resolve, asked, allowing(1))
    assert "2 GPUs are asked for" in refusal(gpus.resolve, "2", allowing(1))


@pytest.mark.parametrize("given", [policy.load(name) for name in ("standard", "ci", "strict")], ids=lambda p: p.name)
@pytest.mark.parametrize("text", [None, "none"])
def test_without_the_option_only_a_policy_that_says_so_brings_gpus(given: Policy, text: str | None) -> None:
    assert gpus.resolve(text, given) == ()
    assert gpus.resolve("none", GPU) == ()


def test_gvisor_without_its_driver_proxy_is_refused() -> None:
    without = {"Runtimes": {"runsc": {"path": "runsc", "runtimeArgs": ["--network=none", "--nvproxy=false"]}}}
    for info in (without, {"Runtimes": {"runsc": {"path": "runsc"}}}, {}):
        assert "needs gVisor's nvproxy" in refusal(gpus.grant, [CARD], STRICT, info, local=False)
    assert not gpus.gvisor_lacks(NVPROXY, STRICT)
    assert not gpus.gvisor_lacks({}, GPU), "runc needs none"


@pytest.mark.usefixtures("smi")
def test_a_run_goes_on_with_the_gpus_that_it_began_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool(tmp_path, monkeypatch, "true", "nvidia-container-runtime-hook")
    given = gpus.grant([INSTANCE], GPU, {}, local=True)
    assert given is not None
    assert (given.gpus, given.through, given.access) == ((Gpu(INSTANCE, CARD),), "nvidia", GPU.gpu)
    assert "is in MIG mode" in refusal(gpus.grant, [CARD], GPU, {}, local=True)
    assert gpus.grant([], STANDARD, {}, local=True) is None


def test_cdi_is_used_where_the_engine_lists_every_one_of_them() -> None:
    info = {"DiscoveredDevices": [{"ID": f"nvidia.com/gpu={CARD}"}]}
    given = gpus.grant([CARD], GPU, info, local=False)
    assert given is not None
    assert given.through == "cdi"


@pytest.mark.usefixtures("smi")
def test_without_the_vendors_toolkit_there_is_no_way_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert "container toolkit" in refusal(gpus.grant, [OTHER_CARD], GPU, {}, local=True)


# ---- for the doctor --------------------------------------------------------------------------------------------------


def told(there: Seen, given: Policy, info: Any = None) -> dict[str, str]:
    return {finding.name: finding.status for finding in gpus.findings(there, info or {}, given)}


def test_the_doctor_fails_only_where_a_run_would_ask_for_a_gpu_by_itself() -> None:
    assert told(seen(), STANDARD) == {"GPUs": "ok"}
    assert told(seen(), GPU) == {"GPUs": "fail"}
    assert told(seen(), STRICT) == {"GPUs": "warn"}
    assert told(seen(ONE), GPU) == {"GPUs": "ok"}
    assert told(seen(ONE, toolkit=False), GPU) == {"GPUs": "ok", "GPUs in rooms": "fail"}
    assert told(seen(ONE, in_cdi=(CARD,)), GPU) == {"GPUs": "ok", "GPUs by CDI": "ok"}
    assert told(seen(ONE), STRICT) == {"GPUs": "ok", "GPUs in gVisor": "warn"}
    assert told(seen(ONE), STRICT, NVPROXY) == {"GPUs": "ok"}


def test_the_doctor_tells_what_the_tool_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool(tmp_path, monkeypatch, "echo no driver; exit 1")
    (finding,) = gpus.examine({}, GPU, local=True)
    assert (finding.status, finding.seen) == ("fail", "nvidia-smi failed: no driver")
