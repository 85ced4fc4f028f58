"""A whole session of the memory reaches no network, none of Memori's other calls, and no terminal."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.memory

GUARDS = Path(__file__).parent / "guarded_session.py"


def session(tmp_path: Path, *deed: str) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        "XDG_DATA_HOME": str(tmp_path),
        "MEMORI_API_KEY": "a-key",
        "MEMORI_COCKROACHDB_CONNECTION_STRING": "postgresql://u:p@192.0.2.1/x",
        "MEMORI_API_URL_BASE": "http://192.0.2.1",
        "MEMORI_USE_RUST_CORE": "1",
        "MEMORI_ORT_AUTO_DOWNLOAD": "1",
    }
    environment.pop("MEMORI_DATABASE__CONNECTION_STRING", None)
    command = [sys.executable, str(GUARDS), *deed]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)


def test_a_whole_session_reaches_nothing_and_prints_nothing(tmp_path):
    done = session(tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_guards_notice_every_forbidden_deed(tmp_path):
    done = session(tmp_path, "--deeds")
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert done.stderr.count("forbidden: ") == 11, done.stderr
