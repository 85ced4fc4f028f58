"""The GPUs of a room: which nodes there are, what the driver lists, and whether CUDA works.

The process that forks the workers never touches CUDA, because a process that did cannot fork: its children cannot use
the GPU, nor torch's autograd. So what has to be asked of CUDA is asked in a process of its own, which ends before
anything else begins. All else is read from /dev, /proc and /sys.
"""

import os
import traceback
from pathlib import Path
from typing import Final

from fumehood_runner import process
from fumehood_shared.messages import GpuFact

WORKS: Final = "works"
_WORDS_BYTES: Final = 500
_DEV: Final = Path("/dev")
_DRIVER: Final = Path("/proc/driver/nvidia/gpus")
_PCI: Final = Path("/sys/bus/pci/devices")


def are_here(dev: Path = _DEV) -> bool:
    """Whether the room has the node of any GPU."""
    return any(dev.glob("nvidia[0-9]*"))


def listed(driver: Path = _DRIVER, pci: Path = _PCI) -> tuple[GpuFact, ...] | None:
    """What the driver lists, by the name of the PCI device; None where there is no list."""
    if not driver.is_dir():
        return None
    return tuple(_fact(folder, pci) for folder in sorted(driver.iterdir()))[:64]


def _fact(folder: Path, pci: Path) -> GpuFact:
    """One GPU from its ``information`` file: lines of ``GPU UUID: ...`` and ``Device Minor: ...``."""
    pairs = (line.partition(":") for line in (folder / "information").read_text(errors="replace").splitlines())
    told = {key.strip(): value.strip() for key, _, value in pairs}
    drm = pci / folder.name / "drm"
    rendering = sorted(node.name for node in drm.iterdir()) if drm.is_dir() else []
    nodes = (f"nvidia{told.get('Device Minor', '?')}", *(f"dri/{name}" for name in rendering))
    return GpuFact(uuid=told.get("GPU UUID", "")[:100], nodes=nodes[:16])


def cuda_says() -> str | None:
    """``works`` where one training step on every GPU went well, else what went wrong; None where there is no GPU.

    Asked before any job is there: what fails is the host's (a driver too old, a call that the filter refuses), and must
    not be held against a candidate.
    """
    if not are_here():
        return None
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        _step_and_leave(write)
    os.close(write)
    with os.fdopen(read, "rb") as said:
        words = said.read(_WORDS_BYTES).decode("utf-8", "replace")
    _, status = os.waitpid(child, 0)
    return words or f"ended with status {status} and said nothing"


def _step_and_leave(write: int) -> None:
    """Body of the process; never returns. Its memory on the GPU is free once it has ended."""
    words = WORKS
    try:
        process.allow_dumping()  # the driver writes its threads' names under /proc/self/task
        _step_everywhere()
    except BaseException as error:  # noqa: BLE001  # whatever it is, the room is not to be used
        words = "".join(traceback.format_exception_only(error)).strip()
    finally:
        os.write(write, words.encode("utf-8", "replace")[:_WORDS_BYTES])
        os._exit(0)


def _step_everywhere() -> None:
    import torch

    torch.zeros(1, device="cuda")  # raises, and says why, where CUDA does not start
    for index in range(torch.cuda.device_count()):
        model = torch.nn.Linear(8, 2, device=f"cuda:{index}")
        torch.autograd.backward(model(torch.zeros(4, 8, device=f"cuda:{index}")).sum())
        torch.cuda.synchronize(index)
