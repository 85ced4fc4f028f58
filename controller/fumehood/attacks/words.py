"""Words that terminals, browsers, spreadsheets and language models obey, followed from a room to where they are shown.

The candidate is real, and so are the texts that came out of its room; a run of one iteration is put around them, its
reports are written, and every file and every other sink is looked at.
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import mkdtemp
from typing import Final

from fumehood import report, text
from fumehood.attacks import candidates
from fumehood.attacks.attack import Attack, Finding
from fumehood.attacks.stage import Stage
from fumehood.executors import Job
from fumehood.records import Decision, Envelope, Goal, Iteration, Plan, Run, RunSettings, Verdict
from fumehood_shared.messages import SeedSpec

_TAGS: Final = re.compile(r"<(script|img src=x)")
_MARKUP: Final = re.compile(r"(?<!\\)(<(script|img src=x)|\]\((javascript:|http://192))")
_FORMULA: Final = re.compile(r"^[=@]", re.MULTILINE)
_FENCED: Final = re.compile(r"^(`{3,})text$.*?^\1$", re.MULTILINE | re.DOTALL)
_OBEYED: Final = {".html": _TAGS, ".json": _TAGS, ".md": _MARKUP, ".csv": _FORMULA}
"""What readers of a kind of file would obey; terminals and logs obey control characters alone."""
_CONTROL: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_INSTRUCTION: Final = "IGNORE ALL PREVIOUS INSTRUCTIONS"


def finding(stage: Stage, attack: Attack) -> Finding:
    """Passed if the words arrived at the sinks and are harmless in each."""
    envelope = _evaluated(stage, attack)
    sinks = {**_reports(stage, envelope), **_streams(envelope)}
    bad = [f"{name}: {problem}" for name, content in sinks.items() for problem in problems(name, content)]
    arrived = sum(_INSTRUCTION in content for content in sinks.values())
    seen = "; ".join(bad) or f"escaped in {len(sinks)} sinks, {arrived} of which show the words"
    return Finding(
        name=attack.name, group=attack.group, expected=attack.expected, seen=seen, passed=not bad and arrived > 2
    )


def raw(stage: Stage, attack: Attack) -> list[str]:
    """The control: what is found in the same texts where nothing escapes them."""
    texts = "\n".join(_texts(_evaluated(stage, attack)))
    return sorted({problem for kind in ("x.html", "x.md", "x.csv") for problem in problems(kind, texts)})


def problems(name: str, content: str) -> Iterator[str]:
    """What would be obeyed in the text for people ``content``, by readers of files that are called so."""
    if any(unicodedata.category(c) in _CONTROL for c in content if c != "\n"):
        yield "a control character"
    obeyed = _OBEYED.get(Path(name).suffix)
    shown = _FENCED.sub("", content) if name.endswith(".md") else content
    if obeyed and (found := obeyed.search(shown)):
        yield text.plain(found[0])


def _evaluated(stage: Stage, attack: Attack) -> Envelope:
    source = candidates.together({0: attack.source})
    job = Job(number=1, source=source, seeds=(SeedSpec(seed=0, order=0),))
    return stage.executor.evaluate(job, Path(mkdtemp(dir=stage.folder)))


def _texts(envelope: Envelope) -> Iterator[str]:
    """All free text that came out of the room."""
    yield envelope.log_tail
    for seed in envelope.seeds:
        claims = seed.train_claims
        if seed.failure:
            yield from (seed.failure.message, seed.failure.traceback)
        if claims and claims.summary:
            yield from (f"{layer.name} {layer.type} {layer.output_shape}" for layer in claims.summary.layers)


def _streams(envelope: Envelope) -> Mapping[str, str]:
    """What a terminal, the log and a table of cells are given."""
    texts = list(_texts(envelope))
    return {
        "terminal": "\n".join(map(text.plain, texts)),
        "log": "\n".join(map(text.block, texts)),
        "cells.csv": "\n".join(map(text.csv_cell, texts)),
        "document.json": text.json_document(texts),
    }


def _reports(stage: Stage, envelope: Envelope) -> Mapping[str, str]:
    """Every file that a run of this one iteration leaves for people and programs."""
    folder = Path(mkdtemp(dir=stage.folder))
    report.write(_run(stage, envelope), folder)
    return {path.name: path.read_text(encoding="utf-8") for path in folder.rglob("*") if path.is_file()}


def _run(stage: Stage, envelope: Envelope) -> Run:
    dataset, design = stage.laboratory.dataset, stage.laboratory.design
    settings = RunSettings(
        name="attack",
        goal=Goal(text="hostile words", metric=design.metric, direction="max"),
        data=dataset.spec,
        planner="search",
        max_iterations=1,
        num_seeds=1,
        seed=0,
        split_seed=dataset.split_seed,
        policy=stage.policy.name,
    )
    tried = Iteration(
        number=1,
        plan=Plan(family="mlp", title="hostile words", rationale="", model_config_={}, recipe={}),
        source_digest=envelope.source_digest,
        envelope=envelope,
        score=None,
        decision=Decision(verdict=Verdict.DISCARD, reason="Every seed failed."),
    )
    started = "2026-01-01T00:00:00Z"
    return Run(run_id="attack", started_at=started, settings=settings, dataset=dataset, iterations=(tried,))
