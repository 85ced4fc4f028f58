"""Runs inside a container: what candidates ordinarily do with Python, torch and their libraries, each by itself.

Prints one line of JSON: name -> ``ok`` or the error. Programs whose library the image lacks are left out.
"""

import asyncio
import faulthandler
import importlib.util
import json
import logging
import mmap
import multiprocessing
import os
import platform
import resource
import select
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import shared_memory
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn


def optimizers() -> None:
    for kind in vars(torch.optim).values():
        if isinstance(kind, type) and issubclass(kind, torch.optim.Optimizer) and kind is not torch.optim.Optimizer:
            train_one_step(kind)


def train_one_step(kind: type) -> None:
    embedding = kind is torch.optim.SparseAdam
    model = nn.Embedding(4, 4, sparse=True) if embedding else nn.Linear(4, 4, bias=kind is not torch.optim.Muon)
    optimizer = kind(model.parameters())

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = model(torch.tensor([1, 2]) if embedding else torch.randn(2, 4)).square().sum()
        loss.backward()
        return loss

    optimizer.step(closure)


def layers() -> None:
    for model, inputs in (
        (nn.Conv1d(3, 8, 3), torch.randn(2, 3, 16)),
        (nn.Conv2d(3, 64, 3), torch.randn(16, 3, 64, 64)),
        (nn.Conv3d(1, 4, 3), torch.randn(1, 1, 8, 8, 8)),
        (nn.TransformerEncoderLayer(64, 4, batch_first=True), torch.randn(8, 32, 64)),
        (nn.LSTM(8, 64, 2, batch_first=True), torch.randn(4, 20, 8)),
        (nn.GRU(8, 16, bidirectional=True), torch.randn(4, 20, 8)),
        (nn.Embedding(10, 4), torch.randint(0, 10, (3, 5))),
        (nn.Linear(2048, 512), torch.randn(512, 2048)),
    ):
        outputs = model(inputs)
        (outputs[0] if isinstance(outputs, tuple) else outputs).sum().backward()


def tensors() -> None:
    torch.set_num_threads(2)
    torch.linalg.svd(torch.randn(200, 200))
    torch.fft.fft(torch.randn(1000))
    nn.functional.scaled_dot_product_attention(*[torch.randn(2, 4, 16, 8)] * 3)
    torch.func.vmap(lambda x: x * 2)(torch.randn(3, 3))
    with torch.autocast("cpu", torch.bfloat16):
        nn.Linear(64, 64)(torch.randn(8, 64))


def scripted_model() -> None:
    model = torch.jit.script(nn.Sequential(nn.Linear(4, 4), nn.ReLU()))
    for _ in range(4):
        model(torch.randn(2, 4))


def profiler() -> None:
    with torch.profiler.profile():
        torch.randn(100, 100) @ torch.randn(100, 100)


def pretrained_architectures() -> None:
    import torchvision

    torchvision.models.resnet18(num_classes=3)(torch.randn(2, 3, 64, 64)).sum().backward()


def shared_tensor() -> None:
    torch.ones(1000).share_memory_()


def loader_workers() -> None:
    from torch.utils.data import DataLoader, TensorDataset

    for strategy in ("file_descriptor", "file_system"):
        torch.multiprocessing.set_sharing_strategy(strategy)
        rows = TensorDataset(torch.randn(64, 3))
        assert len(list(DataLoader(rows, batch_size=8, num_workers=2))) == 8


def weights() -> None:
    from safetensors.torch import load_file, save_file

    with tempfile.TemporaryDirectory() as folder:
        save_file({"a": torch.randn(100)}, f"{folder}/a.safetensors")
        load_file(f"{folder}/a.safetensors")
        torch.save({"a": torch.randn(3)}, f"{folder}/a.pt")
        torch.load(f"{folder}/a.pt", mmap=True)
        np.savez_compressed(f"{folder}/a.npz", a=np.ones(4))
        np.memmap(f"{folder}/a.bin", dtype="f4", mode="w+", shape=(10,)).flush()


def numerics() -> None:
    import scipy.linalg
    import scipy.optimize
    import scipy.sparse.linalg
    import scipy.stats

    rng = np.random.default_rng(0)
    scipy.linalg.svd(rng.random((300, 300)))
    scipy.optimize.minimize(lambda x: (x**2).sum(), np.ones(5))
    np.linalg.eigh(rng.random((500, 500)))


def files() -> None:
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        (place / "a").write_text("a" * 100_000)
        shutil.copy2(place / "a", place / "b")
        (place / "b").rename(place / "c")
        (place / "s").symlink_to("a")
        os.link(place / "a", place / "h")
        os.truncate(place / "a", 5)
        (place / "a").chmod(0o600)
        os.utime(place / "a")
        with tarfile.open(place / "t.tar.gz", "w:gz") as archive:
            archive.add(place / "a", "a")
        with tarfile.open(place / "t.tar.gz") as archive:
            archive.extractall(place / "out")
        shutil.copytree(place, place.with_name(f"{place.name}-copy"))
        shutil.rmtree(place.with_name(f"{place.name}-copy"))
        shutil.disk_usage(place)
        os.chdir(place)
        os.chdir("/")


def descriptors() -> None:
    with tempfile.TemporaryFile() as file, tempfile.TemporaryFile() as other:
        number = file.fileno()
        os.posix_fallocate(number, 0, 8192)
        os.pwrite(number, b"x", 0)
        os.readv(number, [bytearray(2)])
        os.fsync(number)
        os.sendfile(other.fileno(), number, 0, 100)
        os.copy_file_range(number, other.fileno(), 3)
        with mmap.mmap(number, 4096) as page:
            page.flush()
        os.close(os.dup(number))
        os.set_blocking(number, False)


def threads() -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: time.sleep(0.01), range(20)))
    event = threading.Event()
    threading.Timer(0.01, event.set).start()
    assert event.wait(5)


def forks() -> None:
    if (child := os.fork()) == 0:
        os._exit(0)
    os.waitid(os.P_PID, child, os.WEXITED)
    with multiprocessing.get_context("fork").Pool(2) as pool:
        assert pool.map(abs, [-1, 2]) == [1, 2]
    queue = multiprocessing.get_context("fork").Queue()
    queue.put(1)
    assert queue.get(timeout=5) == 1


def spawned_workers() -> None:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.map(abs, [-1, 2]) == [1, 2]


def shared_block() -> None:
    block = shared_memory.SharedMemory(create=True, size=100)
    block.close()
    block.unlink()


def programs() -> None:
    assert subprocess.run([sys.executable, "-c", "print(1)"], capture_output=True, check=True).stdout == b"1\n"
    subprocess.run(["/bin/sh", "-c", "ls / | cat > /tmp/list"], start_new_session=True, check=True)


def signals() -> None:
    signal.signal(signal.SIGALRM, lambda *_: None)
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    signal.pause()
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
    signal.pthread_kill(threading.get_ident(), signal.SIGUSR1)
    assert signal.sigwait([signal.SIGUSR1]) == signal.SIGUSR1
    faulthandler.enable()


def waiting() -> None:
    near, far = socket.socketpair()
    with near, far:
        far.send(b"x")
        assert select.select([near], [], [], 5)[0]
        with select.epoll() as poll:
            poll.register(near)
            assert poll.poll(5)
    asyncio.run(asyncio.to_thread(time.sleep, 0.01))
    os.close(os.eventfd(0))


def questions() -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.getrusage(resource.RUSAGE_SELF)
    os.sched_setaffinity(0, os.sched_getaffinity(0))
    for ask in (platform.platform, os.cpu_count, os.getloadavg, os.times, time.thread_time, os.getgroups, os.getppid):
        ask()
    assert not os.isatty(0)


def failures() -> None:
    try:
        torch.randn(2, 3) @ torch.randn(2, 3)
    except RuntimeError:
        logging.getLogger().error(traceback.format_exc())


def database() -> None:
    sqlite3.connect(":memory:").execute("create table t(a)")


def tables() -> None:
    import pyarrow.csv

    path = Path("/tmp/table.csv")
    path.write_text("a,b\n" + "1,2\n" * 300_000)
    assert pyarrow.csv.read_csv(path).num_rows == 300_000


def learners() -> None:
    from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.neighbors import KNeighborsClassifier

    rows, kinds = np.random.default_rng(0).random((100, 3)), np.arange(100) % 2
    for model in (
        HistGradientBoostingClassifier(max_iter=3),
        RandomForestClassifier(5, n_jobs=2),
        LogisticRegression(),
        KNeighborsClassifier(),
    ):
        model.fit(rows, kinds).predict(rows)


NEEDS = {tables: "pyarrow", learners: "sklearn"}
PROGRAMS = (
    optimizers, layers, tensors, scripted_model, profiler, pretrained_architectures, shared_tensor, loader_workers,
    weights, numerics, files, descriptors, threads, forks, spawned_workers, shared_block, programs, signals, waiting,
    questions, failures, database, tables, learners,
)  # fmt: skip


def result(program: Callable[[], None]) -> str:
    try:
        program()
    except Exception as error:  # noqa: BLE001  # whatever it is, it is the result
        return f"{type(error).__name__}: {error}"
    return "ok"


if __name__ == "__main__":
    present = [p for p in PROGRAMS if p not in NEEDS or importlib.util.find_spec(NEEDS[p])]
    print(json.dumps({program.__name__: result(program) for program in present}))
