"""What a room finds out about its GPUs, from planted nodes and lists; and that it touches no CUDA before it forks."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fumehood_runner import gpus
from fumehood_runner.failures import failure_of
from fumehood_shared.messages import FailureKind, GpuFact

pytestmark = pytest.mark.runner

UUID = "GPU-5d5ba0d6-d33d-2b2c-524d-9e3d8d2b8a77"
INFORMATION = f"""Model: \t\t NVIDIA A100-SXM4-40GB
IRQ:   \t\t 16
GPU UUID: \t {UUID}
Video BIOS: \t 92.00.19.00.13
Bus Location: \t 0000:00:1e.0
Device Minor: \t 3
GPU Excluded:\t No
"""


def planted(root: Path) -> tuple[Path, Path]:
    """The driver's folder and the bus's, with one GPU that also renders."""
    driver, pci = root / "gpus", root / "pci"
    (driver / "0000:00:1e.0").mkdir(parents=True)
    (driver / "0000:00:1e.0" / "information").write_text(INFORMATION)
    for name in ("renderD129", "card2"):
        (pci / "0000:00:1e.0" / "drm" / name).mkdir(parents=True)
    return driver, pci


def test_a_gpu_is_known_by_its_uuid_and_by_every_node_that_leads_to_it(tmp_path: Path) -> None:
    assert gpus.listed(*planted(tmp_path)) == (GpuFact(uuid=UUID, nodes=("nvidia3", "dri/card2", "dri/renderD129")),)


def test_no_list_is_told_apart_from_an_empty_one(tmp_path: Path) -> None:
    assert gpus.listed(tmp_path / "gpus", tmp_path) is None
    (tmp_path / "gpus").mkdir()
    assert gpus.listed(tmp_path / "gpus", tmp_path) == ()


@pytest.mark.parametrize(
    ("names", "here"),
    [(("null", "nvidiactl", "nvidia-uvm"), False), (("nvidia0",), True), (("nvidia12", "null"), True), ((), False)],
)
def test_a_gpu_is_here_where_its_own_node_is(tmp_path: Path, names: tuple[str, ...], here: bool) -> None:
    for name in names:
        (tmp_path / name).touch()
    assert gpus.are_here(tmp_path) is here


def test_where_there_is_no_gpu_cuda_is_not_asked() -> None:
    assert gpus.cuda_says() is None


def test_cuda_that_does_not_start_is_told_in_its_own_words(tmp_path: Path) -> None:
    (tmp_path / "nvidia0").touch()
    code = f"""
from pathlib import Path
from fumehood_runner import gpus
gpus.are_here.__defaults__ = (Path({str(tmp_path)!r}),)
print(gpus.cuda_says())
"""
    said = run(code)
    assert "CUDA" in said or "NVIDIA" in said
    assert said != gpus.WORKS


WATCHED = """
import torch
def touched(*_, **__):
    print("touched", flush=True)
    raise SystemExit
torch.autograd.backward = torch.cuda.is_available = torch.cuda.init = torch.cuda._lazy_init = touched
from fumehood_runner import seeds
seeds.warm_up_on_gpu()
print("untouched", len(__import__("os").listdir("/proc/self/task")))
seeds.warm_up()
"""


def test_a_room_with_a_gpu_is_warmed_up_without_whatever_counts_gpus() -> None:
    """A backward pass starts a thread for every GPU, an optimiser's step asks for them: neither survives a fork."""
    assert run(WATCHED).splitlines() == ["untouched 1", "touched"]


@pytest.mark.parametrize(
    "text",
    [
        "CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has a total capacity of 79.15 GiB",
        "CUDA error: out of memory",
        "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
        "cuDNN error: CUDNN_STATUS_ALLOC_FAILED",
        "cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED",
        "cuFFT error: CUFFT_ALLOC_FAILED",
        "cusolver error: CUSOLVER_STATUS_ALLOC_FAILED, when calling `cusolverDnCreate(handle)`",
    ],
)
def test_a_gpu_that_is_full_is_told_as_out_of_memory(text: str) -> None:
    assert failure_of(RuntimeError(text)).kind is FailureKind.OOM


@pytest.mark.parametrize("text", ["CUDA error: device-side assert triggered", "CUDNN_STATUS_EXECUTION_FAILED"])
def test_another_error_of_the_gpu_is_not(text: str) -> None:
    assert failure_of(RuntimeError(text)).kind is FailureKind.CRASHED


def run(code: str) -> str:
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
    }
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()
