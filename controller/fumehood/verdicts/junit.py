"""The verdict as JUnit XML, as GitLab, Jenkins and others read it: a test case for every seed, and one for the minimum.

Whether anything failed is the exit code's, not the seeds': where the candidate was judged in spite of a seed that
failed, that seed is ``skipped``, since it counted as the baseline. ``system-out`` holds the candidate's own words.
"""

from collections.abc import Iterator
from typing import TextIO
from xml.etree import ElementTree

from fumehood.report import words
from fumehood.text import plain, xml_text
from fumehood.verdicts.checked import Checked, CheckVerdict, Rejection, Stopped

_JUDGED = (CheckVerdict.PASSED, CheckVerdict.BELOW_MINIMUM)
_LOG_CHARS = 4000


def write(found: Checked, stream: TextIO) -> None:
    root = ElementTree.Element("testsuites")
    root.append(_suite(found))
    ElementTree.indent(root)
    stream.write(ElementTree.tostring(root, encoding="us-ascii", xml_declaration=True).decode("ascii") + "\n")


def _suite(found: Checked) -> ElementTree.Element:
    cases = list(_cases(found))
    suite = ElementTree.Element("testsuite", name="fumehood check", file=_line(found.candidate.path))
    counts = {"failures": "failure", "errors": "error", "skipped": "skipped"}
    suite.set("tests", str(len(cases)))
    for name, element in counts.items():
        suite.set(name, str(sum(case.find(element) is not None for case in cases)))
    suite.set("time", f"{found.wall_s:.3f}")
    suite.append(_properties(found))
    suite.extend(cases)
    if found.envelope and found.envelope.log_tail:
        ElementTree.SubElement(suite, "system-out").text = xml_text(found.envelope.log_tail, _LOG_CHARS)
    return suite


def _properties(found: Checked) -> ElementTree.Element:
    """Facts alone."""
    facts = {
        "verdict": found.verdict.value,
        "exit_code": str(found.exit_code),
        "data": found.data,
        "policy": found.policy,
        "candidate_sha256": found.candidate.digest,
    }
    if found.score:
        summary = found.score.primary
        facts |= {"metric": summary.name, "split": found.score.split, "mean": repr(summary.mean)}
        if summary.interval:
            facts["interval"] = f"{summary.interval.low!r} {summary.interval.high!r}"
    element = ElementTree.Element("properties")
    for name, value in facts.items():
        ElementTree.SubElement(element, "property", name=name, value=_line(value))
    return element


def _cases(found: Checked) -> Iterator[ElementTree.Element]:
    if found.stopped is not None:
        case = _case(found, "the check ran to its end")
        case.append(_stopped(found.stopped))
        yield case
        return
    failed = {seed: one for one in found.rejections for seed in one.seeds}
    for result in found.envelope.seeds if found.envelope else ():
        case = _case(found, f"seed {result.seed} trains and predicts")
        if result.seed in failed:
            case.append(_failed(failed[result.seed], judged=found.verdict in _JUDGED))
        yield case
    if found.score and found.goal and found.goal.target is not None:
        case = _case(found, f"{words.label(found.score.metric)} reaches {words.number(found.goal.target)}")
        case.extend(_failed(one, judged=False) for one in found.rejections if one.kind == CheckVerdict.BELOW_MINIMUM)
        yield case


def _case(found: Checked, name: str) -> ElementTree.Element:
    return ElementTree.Element("testcase", classname=_line(found.candidate.path), name=name)


def _failed(one: Rejection, *, judged: bool) -> ElementTree.Element:
    if judged:
        return ElementTree.Element("skipped", message=_line(f"failed, and counted as the baseline: {_reason(one)}"))
    element = ElementTree.Element("failure", type=one.kind, message=_line(_reason(one)))
    element.text = xml_text(one.traceback) or None
    return element


def _stopped(why: Stopped) -> ElementTree.Element:
    element = ElementTree.Element("error", type=why.kind, message=_line(why.message))
    element.text = xml_text(f"what to do: {why.hint}") if why.hint else None
    return element


def _reason(one: Rejection) -> str:
    return f"{one.kind}: {one.reason}" + (f" (line {one.line})" if one.line else "")


def _line(content: str) -> str:
    return xml_text(plain(content, 1000))
