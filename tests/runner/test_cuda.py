"""What a room finds out about its GPUs, from planted nodes and lists; and that it touches no CUDA before it forks.

Tests marked ``gpu`` need a real one, and no room: each works in processes of its own, because a process that has begun
with CUDA cannot fork.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fumehood_runner import gpus
from fumehood_runner.failures import failure_of
from fumehood_shared.messages import FailureKind, GpuFact

pytestmark = pytest.mark.runner
needs_gpu = pytest.mark.skipif(not gpus.are_here(), reason="there is no GPU")

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


@pytest.mark.skipif(gpus.are_here(), reason="there is a GPU")
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
    said = run(code, CUDA_VISIBLE_DEVICES="")
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


# ---- with a GPU --------------------------------------------------------------------------------------------------


@pytest.mark.gpu
@needs_gpu
def test_cuda_works_and_the_one_who_asks_has_not_begun_with_it() -> None:
    code = "import torch\nfrom fumehood_runner import gpus\nprint(gpus.cuda_says(), torch.cuda.is_initialized())"
    assert run(code) == f"{gpus.WORKS} False"


LEARNING = """
import sys
from pathlib import Path
from runner.seed_room import Room, images
from runner.test_together import cnn
import torch

room = Room(Path(sys.argv[1]), images(rows=96), cnn('nn.BatchNorm2d(8)', 'nn.Dropout(0.1)'))
settings = {"job": {"device": "cuda"}, "mixed_precision": MIXED, "augment": ["shift", "mixup"], "lr": 3e-3}
report = room.train(epochs=8, batch_size=16, **settings)
assert report.failure is None, report
assert report.seeds_ran == "alone"
assert torch.backends.cuda.matmul.allow_tf32 is MIXED
first = room.weights.read_bytes()
assert room.train(epochs=8, batch_size=16, **settings).failure is None
assert room.weights.read_bytes() == first, "the same seed gave other weights"
report = room.predict(device="cuda")
assert report.failure is None, report
assert room.accuracy() > 0.9, room.accuracy()
assert torch.cuda.max_memory_allocated() > 0
print("learned")
"""


@pytest.mark.gpu
@needs_gpu
@pytest.mark.parametrize("mixed", ["True", "False"])
def test_a_seed_trains_and_predicts_on_a_gpu_and_repeats_itself(tmp_path: Path, mixed: str) -> None:
    assert run(LEARNING.replace("MIXED", mixed), str(tmp_path)) == "learned"


ROUNDING = """
import sys
from pathlib import Path
from runner.seed_room import Room, images
from runner.test_levers import CONVOLUTIONS, noting, seen

room = Room(Path(sys.argv[1]), images(channels=3), noting(CONVOLUTIONS, "y.dtype is torch.bfloat16"))
report = room.train(epochs=1, batch_size=16, mixed_precision=MIXED, job={"device": "cuda"})
assert report.failure is None, report
print(seen(room)[1])
"""


@pytest.mark.gpu
@needs_gpu
@pytest.mark.parametrize(("mixed", "steps"), [("True", [3.0, 3.0]), ("False", [3.0, 0.0])])
def test_mixed_precision_computes_in_bfloat16(tmp_path: Path, mixed: str, steps: list[float]) -> None:
    assert run(ROUNDING.replace("MIXED", mixed), str(tmp_path)) == str(steps)


SYNCHRONISING = """
import torch
from runner.test_together import CASES, cnn
from runner.seed_room import images, spec
from fumehood_runner.randomness import Draws, choose_algorithms
from fumehood_runner.stacked_steps import StackedSteps, Start
from fumehood_runner.trainer import Steps, TrainingData
from fumehood_shared.messages import Recipe, TrainRequest

choose_algorithms(True)
data = images()
request = TrainRequest(**data.job(0, 0, device="cuda"), inputs=spec(data.inputs), targets=spec(data.targets))
rows = TrainingData(torch.from_numpy(data.inputs).cuda(), torch.from_numpy(data.targets).cuda())
recipe = Recipe(batch_size=16, epochs=3, augment=("shift", "flip", "noise", "cutout"))
names = {}
exec(cnn("nn.BatchNorm2d(8)", "nn.Dropout(0.2)"), names)
models = [names["build_model"]((1, 8, 8), 2).cuda() for _ in range(3)]
for model in models:
    model(rows.inputs[:2])
place = Draws(torch.device("cuda"))
starts = [Start(model, torch.randperm(48), place.again()) for model in models]
for steps in (
    StackedSteps(starts, rows, recipe, request, torch.contiguous_format),
    Steps(models[0], rows, recipe, request),
):
    first, *more = steps.batches()
    steps.train(first)
    torch.cuda.set_sync_debug_mode("error")
    for index in more:
        steps.train(index)
    torch.cuda.set_sync_debug_mode("default")
print("never waited")
"""


@pytest.mark.gpu
@needs_gpu
def test_no_step_waits_for_the_gpu() -> None:
    assert run(SYNCHRONISING) == "never waited"


TOGETHER = """
import sys
from pathlib import Path
import pytest
from runner.test_together import CASES
from runner.together_room import SharedRoom

for number, (name, (data, source, overrides)) in enumerate(CASES.items()):
    for mixed in (False, True):
        settings = {"batch_size": 16, "mixed_precision": mixed, **overrides}
        room = SharedRoom(Path(sys.argv[1], f"{number}-{mixed}"), data, source, device="cuda", **settings)
        together, alone = room.together(), room.alone()
        for among, one in zip(together, alone, strict=True):
            assert one.failure is None, (name, mixed, one.failure)
            if among.seeds_ran == "alone":
                print("declined:", name, mixed, among.alone_because)
                continue
            near = pytest.approx(one.train_loss, rel=5e-2 if mixed else 1e-2, abs=2e-3)
            assert among.train_loss == near, (name, mixed, among.train_loss, one.train_loss)
"""


CANNOT_BE_MAPPED = "declined: transformer True RuntimeError: expected input and grad types to match"
"""torch 2.11 cannot differentiate a mapped softmax under autocast; such seeds run alone, and say why."""


@pytest.mark.gpu
@needs_gpu
def test_seeds_are_together_what_they_are_alone_on_a_gpu_too(tmp_path: Path) -> None:
    declined = {line for line in run(TOGETHER, str(tmp_path)).splitlines() if not line.startswith(CANNOT_BE_MAPPED)}
    assert declined == set(), "declined although a CPU does not decline it"


CREW = """
import os, signal, sys, time
from pathlib import Path
import torch
from fumehood_runner import crew, gpus
from fumehood_runner.seeds import predict_seed, train_seed, warm_up_on_gpu
from fumehood_shared.messages import WorkerReport
from runner.test_together import CASES
from runner.together_room import SharedRoom

warm_up_on_gpu()
from fumehood_runner.together import train_together

def reports(job, count, together=None):
    workers = crew.Crew(job, count=count, at_once=1, deadline=time.monotonic() + 100, together=together).run()
    return [worker.report() for worker in workers]
"""


SUPERVISED = f"""{CREW}
data, source, overrides = CASES["dropout"]
if sys.argv[2] == "alone":
    source = source.replace("nn.SiLU()", "nn.RReLU()")
room = SharedRoom(Path(sys.argv[1]), data, source, device="cuda", **overrides)
crew.EXCHANGE = exchange = room.together_in.train_exchange
(exchange / "out").mkdir()
folders, started = room.together_in.folders, time.monotonic()
found = reports(
    lambda k: train_seed(room.request, k, folders, started=started),
    3,
    lambda: train_together(room.request, folders, started=started),
)
assert not torch.cuda.is_initialized(), "the first process began with CUDA"
for report in found:
    assert report.failure is None, report.failure
    assert report.seeds_ran == sys.argv[2], report.alone_because
    assert bool(report.alone_because) is (sys.argv[2] == "alone")
    assert (folders.handover / f"seed-{{report.index}}" / "weights.safetensors").exists()
print("supervised")
"""


@pytest.mark.gpu
@needs_gpu
@pytest.mark.parametrize("how", ["together", "alone"])
def test_the_first_process_forks_workers_that_use_the_gpu(tmp_path: Path, how: str) -> None:
    assert run(SUPERVISED, str(tmp_path), how, within=NAMESPACE) == "supervised"


HOARDING = f"""{CREW}
crew.EXCHANGE = Path(sys.argv[1])
(crew.EXCHANGE / "out").mkdir()

def job(index):
    free, whole = torch.cuda.mem_get_info()
    taken = torch.empty(int(0.7 * whole), dtype=torch.uint8, device="cuda")
    taken.fill_(1)
    torch.cuda.synchronize()
    if index == 0:
        if os.fork() == 0:  # whoever has the descriptors of the driver open keeps the memory
            os.setsid()
            time.sleep(100)
        os.kill(os.getpid(), signal.SIGKILL)
    return WorkerReport(index=index, epochs=1)

first, second = reports(job, 2)
assert "SIGKILL" in first.failure.message, first
assert (second.failure, second.epochs) == (None, 1), second
print("free")
"""


@pytest.mark.gpu
@needs_gpu
def test_the_memory_of_a_dead_worker_is_free_for_the_next_seed(tmp_path: Path) -> None:
    assert run(HOARDING, str(tmp_path), within=NAMESPACE) == "free"


NAMESPACE = ("unshare", "--fork", "--pid", "--mount-proc")
"""A crew ends every other process, and does so as process 1 only."""


def run(code: str, *arguments: str, within: tuple[str, ...] = (), **changes: str) -> str:
    if within and subprocess.run([*within, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("no PID namespace may be made here")
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        **changes,
    }
    with subprocess.Popen(
        [*within, sys.executable, "-c", code, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    ) as process:
        said, errors = process.communicate(timeout=240) if not within else _heard(process)
    assert process.returncode == 0, errors[-3000:]
    return said.strip()


def _heard(process: "subprocess.Popen[str]") -> tuple[str, str]:
    """Until it ends by itself: a crew whose standard input ends leaves at once."""
    assert process.stdout is not None
    assert process.stderr is not None
    said = process.stdout.read()
    errors = process.stderr.read()
    process.wait(60)
    return said, errors
