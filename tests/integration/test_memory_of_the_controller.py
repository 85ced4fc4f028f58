"""A data set of the size of CIFAR-10 passes through the controller and does not lie in it."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from integration.lab import environment

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(400)]

ROWS, CLASSES = 60_000, 10
MOST = 300_000_000
"""Bytes; the training rows alone are 442 MB as the numbers that rooms take."""


def test_a_set_like_cifar_10_is_prepared_and_predicted_in_300_mb_of_the_controllers_memory(tmp_path: Path) -> None:
    source, draw = tmp_path / "images.npz", np.random.default_rng(0)
    pixels = draw.integers(0, 256, (ROWS, 3, 32, 32), dtype=np.uint8)
    np.savez(source, x=pixels, y=np.arange(ROWS) % CLASSES)
    script = Path(__file__).with_name("streaming.py")
    done = subprocess.run(
        [sys.executable, str(script), f"npz:{source}", str(tmp_path)],
        env=environment(), capture_output=True, text=True, check=False, timeout=380,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["predicted"] == found["rows"] == 0.2 * ROWS
    assert found["peak"] < MOST, f"{found['peak'] / 1e6:.0f} MB"
