"""Names in a data file and words of a candidate's, through real rooms, to everything that people and programs read."""

import csv
import unicodedata
from html.parser import HTMLParser
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

import hostile
from fumehood import report
from fumehood.executors import Job
from fumehood_shared.messages import SeedSpec
from integration.lab import Lab, fumehood_cli
from report import factories

pytestmark = [pytest.mark.integration, pytest.mark.slow]

HIDDEN = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
TEXTS = (".md", ".html", ".json", ".jsonl", ".log", ".py", ".txt", ".csv")
CLASSES = ("=cmd|' /C calc'!A0", "<img src=x onerror=alert(1)>\u202e\x9b2J", "](http://e.x) `|` **b**\x1b[31m")
COLUMNS = (
    hostile.TERMINAL["title"] + hostile.TERMINAL["bidi"],
    hostile.MARKUP["html"] + "\u200b",
    hostile.FORMULAS["at"],
    hostile.MARKUP["markdown links"],
)


def hidden(shown: str) -> set[str]:
    return {c for c in shown if unicodedata.category(c) in HIDDEN and c != "\n"}


class Tags(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found |= {tag} | {name for name, _ in attrs if name.startswith("on")}


def check_files(folder: Path) -> None:
    """Nothing hidden in any text that a run leaves for people; no markup in reports but our own."""
    files = [path for path in folder.rglob("*") if path.suffix in TEXTS and "sealed" not in path.parts]
    assert files
    assert {path.name: hidden(path.read_text()) for path in files if hidden(path.read_text())} == {}
    for page in folder.rglob("*.html"):
        assert not Tags(page.read_text()).found & {"script", "img", "a", "onerror"}
    for page in folder.rglob("*.md"):
        tokens = MarkdownIt("commonmark").enable("table").parse(page.read_text())
        inner = [one for token in tokens for one in (token, *(token.children or ()))]
        assert not [one for one in inner if one.type in ("html_inline", "html_block", "image")]
        assert not [one for one in inner if one.type == "link_open" and "e.x" in str(one.attrs)]


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("hostile") / "data.csv"
    rows = [[f"{k % 3 + k % 7 / 10:.1f}", str(k % 5), str(k % 11), str(k * k % 13), CLASSES[k % 3]] for k in range(90)]
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([[*COLUMNS, "target"], *rows])
    return path


def test_hostile_column_and_class_names_are_text_wherever_they_are_shown(table: Path, tmp_path: Path) -> None:
    spec, folder = f"csv:{table}#target=target", tmp_path / "run"
    done = fumehood_cli("run", "--goal", "Classify with accuracy above 1%", "--data", spec, "--max-iterations", "1",
                        "--num-seeds", "1", "--workdir", str(folder))  # fmt: skip
    assert done.returncode == 0, done.stderr
    check_files(folder)
    # They are there, and not because somebody dropped them.
    assert "onerror=alert" in (folder / "reports" / "report.html").read_text()
    described = fumehood_cli("data", "describe", spec)
    predicted = fumehood_cli("predict", str(folder), "--data", f"csv:{table}", "--output", str(tmp_path / "out.csv"))
    assert (described.returncode, predicted.returncode) == (0, 0), described.stderr + predicted.stderr
    for shown in (done.stdout, done.stderr, described.stdout, described.stderr, predicted.stderr):
        assert hidden(shown) == set()
    assert "img src" in described.stdout
    assert hidden((tmp_path / "out.csv").read_text()) == set()
    with (tmp_path / "out.csv").open(newline="") as file:
        cells = [cell for row in csv.reader(file) for cell in row]
    assert any("cmd|" in cell for cell in cells)
    assert not [cell for cell in cells if cell[:1] in "=+-@\t\r" and cell]


CANDIDATE = f"""\
import torch
from torch import nn

RECIPE = {{"epochs": 1}}
WORDS = {[*hostile.ALL.values()]!r}
print(*(word.encode("utf-8", "replace").decode() for word in WORDS))

class Strange(nn.Linear):
    pass

Strange.__name__ = Strange.__qualname__ = WORDS[0] + "<script>" + WORDS[7]

def build_model(input_shape, num_outputs):
    model = nn.Sequential()
    model.add_module("".join(WORDS[:3]).replace(".", ""), Strange(input_shape[0], num_outputs))
    return model

def predict(model, inputs):
    if torch.initial_seed() % 2 and len(inputs) > 5:
        raise ValueError("".join(WORDS))
    return model(inputs)
"""


def test_what_a_candidate_prints_raises_and_calls_its_layers_is_text_in_every_report(lab: Lab, tmp_path: Path) -> None:
    job = Job(number=1, source=CANDIDATE, seeds=(SeedSpec(seed=2, order=1), SeedSpec(seed=3, order=2)))
    (tmp_path / "iteration").mkdir()
    with lab.executor() as executor:
        envelope = executor.evaluate(job, tmp_path / "iteration")
    failures = [seed.failure.message for seed in envelope.seeds if seed.failure]
    claims = [seed.train_claims for seed in envelope.seeds if seed.train_claims]
    # What comes out of the rooms is as hostile as it was made.
    assert hidden(envelope.log_tail) - {"\t", "\r"}
    assert any(hidden(message) for message in failures), failures
    assert any(hidden(layer.type) and hidden(layer.name) for c in claims if c.summary for layer in c.summary.layers)
    run = factories.good_run()
    history = [one.model_copy(update={"envelope": envelope}) for one in run.iterations]
    report.write(run.model_copy(update={"iterations": tuple(history)}), tmp_path / "run")
    check_files(tmp_path / "run")
