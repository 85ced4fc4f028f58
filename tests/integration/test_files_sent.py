"""A user's file on its way into a prepare room: sent whole or not at all, and recorded as what was sent."""

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest

from fumehood import preparation
from fumehood.data import specs
from fumehood.sandbox.host import Host
from integration.lab import fumehood_cli

pytestmark = pytest.mark.integration

ROW = "{},{},{}\n"
WRITER = """
import sys
with open(sys.argv[1], "a", buffering=1) as file:
    print("writing", flush=True)
    while True:
        file.write("1,2,no\\n")
"""


def table(path: Path, rows: int) -> Path:
    path.write_text("a,b,y\n" + "".join(ROW.format(k % 17, k % 5, "no" if k % 2 else "yes") for k in range(rows)))
    return path


def test_the_digest_of_the_data_is_of_the_file_that_was_sent(host: Host, tmp_path: Path) -> None:
    path = table(tmp_path / "a.csv", 60)
    data = f"csv:{path}#target=y"
    dataset = preparation.prepare(host, tmp_path / "sealed", data, 0).dataset
    content = hashlib.sha256(path.read_bytes()).hexdigest()
    said = f"{specs.parse(data).source.model_dump_json()}\ndata.csv={content}"
    assert dataset.source_digest == hashlib.sha256(said.encode()).hexdigest()


def test_a_file_that_is_still_being_written_is_said_to_be(tmp_path: Path) -> None:
    path = table(tmp_path / "a.csv", 200_000)
    with subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE) as writer:
        try:
            assert writer.stdout is not None
            writer.stdout.readline()
            done = fumehood_cli("data", "describe", f"csv:{path}#target=y")
        finally:
            writer.kill()
    assert done.returncode == 2, done.stderr
    assert "a.csv changed while it was being sent into a room" in done.stderr
    assert "Wait until whatever writes it is done" in done.stderr
    table(path, 60)
    assert fumehood_cli("data", "describe", f"csv:{path}#target=y").returncode == 0
