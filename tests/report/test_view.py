"""What a person sees: on a terminal, in a log, and at the end; at 80 columns, without colour, with hostile text."""

import io
import json
import os
import pty
import re
import subprocess
import sys
import threading

import pytest

from fumehood.cli.view import LiveProgress, PlainProgress, print_summary, progress_for
from fumehood.progress import SilentProgress
from fumehood.report import words
from report import factories

pytestmark = pytest.mark.unit

ESCAPES = re.compile(r"\x1b(\[[0-9;?]*[a-zA-Z]|\][^\x07]*\x07)")


class Terminal(io.TextIOWrapper):
    """A real pseudo-terminal, read by a thread of its own so that writing to it never blocks."""

    def __init__(self) -> None:
        reader, writer = pty.openpty()
        super().__init__(os.fdopen(writer, "wb"), encoding="utf-8", write_through=True)
        self._chunks: list[bytes] = []
        self._thread = threading.Thread(target=self._read, args=(reader,), daemon=True)
        self._thread.start()

    def _read(self, reader: int) -> None:
        with os.fdopen(reader, "rb", buffering=0) as stream:
            while True:
                try:
                    chunk = stream.read(4096)
                except OSError:
                    return
                if not chunk:
                    return
                self._chunks.append(chunk)

    def seen(self) -> str:
        self.close()
        self._thread.join(timeout=10)
        return b"".join(self._chunks).decode()


def watch(progress, run, directory):
    """The calls that the research loop makes for ``run``."""
    with progress:
        progress.stage("Preparing the data")
        progress.run_started(run.model_copy(update={"iterations": (), "final": None, "finished_at": None}))
        for one in run.iterations:
            progress.iteration_started(one.number, one.plan)
            for role in ("train", "predict"):
                for state in ("warming", "ready", "running", "done"):
                    progress.room(one.number, role, state)
            progress.iteration_done(one)
        if run.final:
            progress.sealed(run)
        progress.note("The policy leaves the network on")
        progress.finished(run, directory)


@pytest.fixture(autouse=True)
def _a_terminal_of_80_columns(monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("LINES", "24")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.delenv("FORCE_COLOR", raising=False)


def test_a_log_gets_one_plain_line_an_event(tmp_path):
    stream = io.StringIO()
    watch(progress_for(stream, json=False, verbose=False), factories.good_run(), tmp_path)
    lines = stream.getvalue().splitlines()
    assert "\x1b" not in stream.getvalue()
    events = lines[: next(i for i, line in enumerate(lines) if not line.startswith("["))]
    assert all(re.match(r"\[\d+:\d\d:\d\d\] \S", line) for line in events)
    assert sum("Iteration 4: kept, accuracy 0.963 [0.951, 0.975]." in line for line in lines) == 1
    assert any("failed (oom)" in line for line in lines)
    assert any("Goal met: accuracy on the sealed test is 0.981 [0.969, 0.993], target 0.950." in line for line in lines)
    assert "report.html" in lines[-1]
    assert not any("room" in line for line in events)


def test_verbose_adds_rooms_and_reasons(tmp_path):
    stream = io.StringIO()
    watch(progress_for(stream, json=False, verbose=True), factories.good_run(), tmp_path)
    assert "Iteration 1: train room warming" in stream.getvalue()
    assert "Wider layers gained most" in stream.getvalue()


def test_a_program_that_reads_the_outcome_gets_plain_lines_on_the_other_stream():
    terminal = Terminal()
    assert isinstance(progress_for(terminal, json=True, verbose=False), PlainProgress)
    terminal.close()


def test_the_silent_watcher_says_nothing(tmp_path, capsys):
    watch(SilentProgress(), factories.good_run(), tmp_path)
    assert capsys.readouterr() == ("", "")


def test_a_terminal_gets_the_live_view_and_a_dumb_one_plain_lines(monkeypatch, tmp_path):
    terminal = Terminal()
    assert isinstance(progress_for(terminal, json=False, verbose=False), LiveProgress)
    monkeypatch.setenv("TERM", "dumb")
    assert isinstance(progress_for(terminal, json=False, verbose=False), PlainProgress)
    terminal.close()


@pytest.mark.parametrize("make", factories.ALL.values(), ids=factories.ALL)
def test_the_live_view_ends_in_the_summary_and_gives_the_cursor_back(make, tmp_path):
    terminal = Terminal()
    watch(LiveProgress(terminal), make(), tmp_path)
    seen = terminal.seen()
    assert seen.rfind("\x1b[?25h") > seen.rfind("\x1b[?25l")
    assert "report.html" in ESCAPES.sub("", seen)[-400:]


def test_an_interrupted_live_view_leaves_the_table_and_the_cursor():
    terminal = Terminal()
    run = factories.good_run()

    def interrupted():
        with LiveProgress(terminal) as progress:
            progress.run_started(run.model_copy(update={"iterations": run.iterations[:2]}))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    seen = terminal.seen()
    assert "mlp, width 64, depth 3" in ESCAPES.sub("", seen[seen.rfind("\x1b[?25h") :])


def test_no_color_leaves_no_colour(monkeypatch, tmp_path):
    monkeypatch.setenv("NO_COLOR", "1")
    terminal = Terminal()
    watch(LiveProgress(terminal), factories.good_run(), tmp_path)
    codes = re.findall(r"\x1b\[([0-9;]*)m", terminal.seen())
    assert not [code for code in codes if re.search(r"(^|;)(3[0-7]|38|4[0-7]|48|9[0-7])", code)]


@pytest.mark.parametrize("make", factories.ALL.values(), ids=factories.ALL)
def test_the_summary_fits_80_columns_and_says_everything_without_colour(make, tmp_path):
    stream = io.StringIO()
    run = make()
    print_summary(run, tmp_path, stream)
    shown = stream.getvalue()
    assert "\x1b" not in shown
    assert max(map(len, (line for line in shown.splitlines() if "report.html" not in line))) <= 80
    for one in run.iterations:
        assert re.search(rf"^ *{one.number} ", shown, re.MULTILINE)
    if run.best():
        assert f"kept, {'winner' if run.final else 'leads'}" in shown
        assert words.estimate(run.best().score.primary) in shown


def test_hostile_text_moves_no_cursor_and_is_no_markup(tmp_path):
    payload = "\x1b[2J\x9b31m\u202e[bold red]:smile:\n"
    run = factories.rewritten(factories.good_run(), lambda old: payload + old)
    terminal, log = Terminal(), io.StringIO()
    watch(LiveProgress(terminal), run, tmp_path)
    watch(PlainProgress(log, verbose=True), run, tmp_path)
    for seen in (terminal.seen(), log.getvalue()):
        assert "\x1b[2J" not in seen
        assert not {"\x9b", "\u202e"} & set(seen)
        assert ":smile:" in seen
    calm = io.StringIO()
    watch(PlainProgress(calm, verbose=True), factories.good_run(), tmp_path)
    assert _events(log) == _events(calm)


def _events(stream):
    return len(re.findall(r"^\[\d+:\d\d:\d\d\] ", stream.getvalue(), re.MULTILINE))


SEVERAL = factories.good_run().iterations[:3]


def under_way(progress):
    """Three iterations under way, of which the second is decided first."""
    for one in SEVERAL:
        progress.iteration_started(one.number, one.plan)
    progress.room(1, "train", "running")
    progress.room(2, "predict", "running")
    progress.room(3, "train", "ready")


def test_of_several_iterations_the_live_view_says_what_the_rooms_of_each_do():
    terminal = Terminal()
    progress = LiveProgress(terminal)
    with progress:
        progress.run_started(factories.good_run().model_copy(update={"iterations": ()}))
        under_way(progress)
        assert progress._line().startswith("3 iterations · 1: train running, 2: predict running, 3: train ready · ")
        progress.iteration_done(SEVERAL[1])
        assert progress._line().startswith("2 iterations · 1: train running, 3: train ready · ")
        progress.iteration_done(SEVERAL[0])
        assert progress._line().startswith(f"Iteration 3: {SEVERAL[2].plan.title} · train room ready · ")
        progress.abandoned([3])
        progress.stage("Measuring")
        assert progress._line().startswith("Measuring · 0")
    assert "Note: Iteration 3 was under way when the search stopped" in ESCAPES.sub("", terminal.seen())


def test_a_log_says_what_became_of_iterations_under_way_when_the_search_stopped():
    stream = io.StringIO()
    progress = PlainProgress(stream)
    under_way(progress)
    progress.abandoned([2, 3])
    assert (
        stream.getvalue()
        .splitlines()[-1]
        .endswith("Iterations 2, 3 were under way when the search stopped: given up, and nothing is decided about them")
    )


def test_the_protocol_and_plain_view_load_no_heavy_library():
    program = "import fumehood.progress, fumehood.cli.view, sys, json; print(json.dumps(sorted(sys.modules)))"
    out = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, text=True, env=_paths())
    loaded = set(json.loads(out.stdout))
    assert not loaded & {"rich", "matplotlib", "numpy", "torch", "docker", "optuna", "sklearn", "jinja2"}


def _paths() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
