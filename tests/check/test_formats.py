"""Every format of every verdict is read back by a parser, says what the exit code says, and obeys no hostile text."""

import io
import json
import re
import unicodedata
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from check import examples
from check.sarif_model import SarifLog, SarifRun
from fumehood.verdicts import FormatName, format_named
from fumehood.verdicts.checked import EXIT_CODES, Checked, CheckVerdict
from fumehood.verdicts.sarif import RULES
from fumehood_shared.messages import FailureKind
from report import factories

pytestmark = pytest.mark.unit

every = pytest.mark.parametrize("found", examples.ALL.values(), ids=examples.ALL.keys())
HOSTILE = (
    "::error::x\x1b[2J\x00]]><b>\u202e\ufffe[click](http://evil.example) \x85\n::set-output name=v::passed\n" + "é" * 9
)


def written(name: FormatName, found: Checked) -> str:
    page = io.StringIO()
    format_named(name).write(found, page)
    return page.getvalue()


def sarif(found: Checked) -> SarifRun:
    document = written("sarif", found)
    assert document.isascii()
    return SarifLog.model_validate_json(document).runs[0]


def junit(found: Checked) -> ElementTree.Element:
    document = written("junit", found)
    assert document.isascii()
    root = ElementTree.fromstring(document)
    assert [child.tag for child in root] == ["testsuite"]
    return root[0]


def test_every_verdict_has_an_exit_code_of_its_own() -> None:
    assert set(EXIT_CODES) == set(CheckVerdict)
    assert sorted(EXIT_CODES.values()) == [0, 1, 3, 4, 5, 6]


# ---- JSON ----------------------------------------------------------------------------------------------------------

KEYS = {"schema_version", "verdict", "score", "seeds", "facts", "claims", "rejections", "flags", "exit_code"}


@every
def test_json_has_the_documented_keys(found: Checked) -> None:
    page = written("json", found)
    assert page.isascii()
    assert page.count("\n") == 1
    document = json.loads(page)
    assert set(document) - {"error"} == KEYS
    assert ("error" in document) == (found.stopped is not None)
    assert (document["verdict"], document["exit_code"]) == (found.verdict, found.exit_code)
    assert all({"kind", "reason"} <= set(one) for one in document["rejections"])
    assert bool(document["rejections"]) >= bool(found.exit_code)
    if document["score"]:
        assert set(document["score"]) == {"metric", "mean", "interval", "split", "n_seeds"}
        assert len(document["seeds"]) == document["score"]["n_seeds"]


def test_json_keeps_facts_and_claims_apart() -> None:
    document = json.loads(written("json", examples.checked()))
    facts, claims = json.dumps([document["facts"], document["seeds"]]), json.dumps(document["claims"])
    for told in ("epochs", "train_loss", "recipe", "log_tail", "train_s"):
        assert told in claims
        assert told not in facts
    assert document["facts"]["measured"]["baseline"] == 0.442


def test_json_names_metrics_that_the_rows_do_not_define() -> None:
    missing = {"roc_auc": "no example of class 'x'"}
    score = factories.score(0.95, "validation").model_copy(update={"undefined": missing})
    document = json.loads(written("json", examples.checked(score=score)))
    assert document["facts"]["measured"]["undefined"] == missing
    assert document["facts"]["parameters"] == 17_859
    assert [room["role"] for room in document["facts"]["rooms"]] == ["prepare", "train", "predict"]


def test_seeds_that_failed_alike_are_one_rejection() -> None:
    (one,) = json.loads(written("json", examples.failing(FailureKind.CRASHED)))["rejections"]
    assert one == {"kind": "crashed", "reason": "it went wrong", "seeds": [0, 1, 2], "line": 5}


@pytest.mark.parametrize("line", [0, -1, 7, 2**60])
def test_a_line_that_the_file_does_not_have_is_not_repeated(line: int) -> None:
    found = examples.failing(FailureKind.CRASHED, line=line)
    assert [one.line for one in found.rejections] == [None]


# ---- JUnit ---------------------------------------------------------------------------------------------------------


@every
def test_junit_fails_where_the_exit_code_does(found: Checked) -> None:
    suite = junit(found)
    cases = suite.findall("testcase")
    for attribute, element in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        assert int(suite.attrib[attribute]) == sum(case.find(element) is not None for case in cases)
    assert int(suite.attrib["tests"]) == len(cases) > 0
    assert float(suite.attrib["time"]) == pytest.approx(12.346)
    assert (int(suite.attrib["failures"]) + int(suite.attrib["errors"]) > 0) == (found.exit_code != 0)
    assert len({case.attrib["name"] for case in cases}) == len(cases)
    values = {one.attrib["name"]: one.attrib["value"] for one in suite.findall("properties/property")}
    assert (values["verdict"], values["exit_code"]) == (found.verdict, str(found.exit_code))


def test_junit_shows_a_lost_seed_of_a_candidate_that_passed() -> None:
    (lost,) = junit(examples.lost_a_seed()).findall("testcase/skipped")
    assert "counted as the baseline" in lost.attrib["message"]


def test_an_engine_failure_is_an_error_and_no_failure() -> None:
    suite = junit(examples.ALL["engine"])
    assert (suite.attrib["errors"], suite.attrib["failures"]) == ("1", "0")
    (error,) = suite.findall("testcase/error")
    assert error.attrib == {"type": "engine", "message": "it could not be done"}
    assert "do something else" in (error.text or "")


# ---- SARIF ---------------------------------------------------------------------------------------------------------


@every
def test_sarif_fits_the_standard_and_names_its_rules(found: Checked) -> None:
    run = sarif(found)
    (told,) = run.invocations
    assert (told.exit_code, told.exit_code_description) == (found.exit_code, found.verdict)
    assert told.execution_successful == (found.stopped is None)
    reasons = [result for result in run.results if result.level == "error"]
    assert bool(reasons or told.tool_execution_notifications) == bool(found.rejections)
    assert [result.rule_id for result in run.results if result.level == "note"] == [one.kind for one in found.flags]
    assert not (run.results and told.tool_execution_notifications)
    known = [rule.id for rule in run.tool.driver.rules]
    assert len(set(known)) == len(known)
    for result in run.results:
        assert known[result.rule_index] == result.rule_id
        where = result.locations[0].physical_location.artifact_location
        assert (where.uri, where.uri_base_id) == ("models/a%20model.py", "%SRCROOT%")
    ids = {stop.id for stop in run.tool.driver.notifications}
    assert {one.descriptor.id for one in told.tool_execution_notifications} <= ids


def test_rules_are_stable_and_there_is_one_for_every_kind_of_failure() -> None:
    assert [rule.id for rule in RULES] == [
        "syntax", "import", "interface", "shape", "non_finite", "oom", "timeout", "crashed", "hostile_output",
        "below_minimum", "inconsistent", "unstable", "large_literals",
    ]  # fmt: skip
    assert {kind.value for kind in FailureKind} < {rule.id for rule in RULES}


def test_a_result_is_at_the_line_and_else_at_the_first() -> None:
    for name, line in (("crashed", 5), ("no line", 1)):
        (result,) = sarif(examples.ALL[name]).results
        assert result.locations[0].physical_location.region.start_line == line


def test_a_finding_is_known_again_where_its_line_moved_and_not_where_it_changed() -> None:
    def fingerprint(source: str, line: int) -> dict[str, str]:
        found = examples.failing(FailureKind.CRASHED, line=line)
        moved = found.candidate.model_copy(update={"source": source})
        one = found.rejections[0].model_copy(update={"line": line})
        return (
            sarif(found.model_copy(update={"candidate": moved, "rejections": (one,)})).results[0].partial_fingerprints
        )

    first = fingerprint(examples.SOURCE, 5)
    assert fingerprint("# one more line\n" + examples.SOURCE, 6) == first
    assert fingerprint(examples.SOURCE.replace("1 / 0", "2 / 0"), 5) != first


def test_a_file_outside_of_the_checkout_has_an_absolute_uri() -> None:
    candidate = examples.checked().candidate.model_copy(update={"path": "/elsewhere/a#b.py"})
    where = sarif(examples.checked(candidate=candidate)).artifacts[0].location
    assert (where.uri, where.uri_base_id) == ("file:///elsewhere/a%23b.py", None)


# ---- text ----------------------------------------------------------------------------------------------------------


@every
def test_text_says_verdict_and_reasons(found: Checked) -> None:
    page = written("text", found)
    assert "models/a model.py" in page.splitlines()[0]
    assert page.startswith("Passed: ") == (found.exit_code == 0)
    flat = " ".join(page.split())
    assert all(one.reason in flat for one in found.rejections)
    assert not any(line != line.rstrip() for line in page.splitlines())
    if found.score:
        assert "0.950 [0.938, 0.962]" in page
        assert "baseline 0.442" in page
    if found.stopped:
        assert found.stopped.hint in flat


def test_text_names_file_and_line() -> None:
    assert "models/a model.py:5: it went wrong (3 seeds)" in written("text", examples.failing(FailureKind.SYNTAX))


def test_text_tells_how_often_the_seal_was_opened() -> None:
    assert "opened for the 3rd time" in written("text", examples.ALL["passed on the sealed test"])


# ---- hostile text --------------------------------------------------------------------------------------------------


def visible(page: str) -> bool:
    allowed = page.replace("\n", "")
    return not any(unicodedata.category(c) in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp") for c in allowed)


@given(st.one_of(st.just(HOSTILE), st.text(max_size=60)))
def test_no_text_of_a_candidate_is_obeyed(words: str) -> None:
    clean = words.encode("utf-8", "replace").decode()
    found = examples.failing(FailureKind.CRASHED, clean)
    lines = written("text", found)
    assert visible(lines)
    assert not any(line.startswith("::") for line in lines.splitlines())
    suite = junit(found)
    assert visible("".join(suite.itertext()))
    assert all(visible(value) for element in suite.iter() for value in element.attrib.values())
    for result in sarif(found).results:
        assert visible(result.message.text)
        assert not re.search(r"\]\(", result.message.text)
    assert json.loads(written("json", found))["rejections"][0]["reason"] == clean
