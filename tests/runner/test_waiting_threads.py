"""Threads that wait for one another give their core away, so that rooms beside each other do not starve."""

import subprocess
import sys
from pathlib import Path

import enter

ENTER = Path(enter.__file__).parent


def test_torchs_own_openmp_takes_the_rooms_setting_though_it_is_made_inside_the_process() -> None:
    program = (
        f"import os, sys; sys.path.append({str(ENTER)!r}); "
        "import enter; os.environ.update(enter.SETTINGS); import torch"
    )
    told = subprocess.run(
        [sys.executable, "-c", program],
        env={"OMP_DISPLAY_ENV": "verbose"},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    ).stderr
    assert f"GOMP_SPINCOUNT = '{enter.SETTINGS['GOMP_SPINCOUNT']}'" in told
