"""What the prepare room makes of CSV files: how they are written, and what is refused."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("pyarrow", reason="the prepare room's libraries are not installed")

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prepare_room import SPLITS, Room, table

from fumehood_runner.prepare import jobs, memory
from fumehood_runner.prepare.refusals import Refused
from fumehood_shared import caps
from fumehood_shared.messages import (
    DataFacts,
    EncodeReply,
    InputKind,
    NumberColumn,
    PrepareReply,
    Refusal,
    RefusalKind,
    TabularEncoding,
    TargetEncoding,
    Task,
)

pytestmark = pytest.mark.runner

ROWS = [f"{i * i},{i % 5},{'no' if i % 2 else 'yes'}" for i in range(40)]
PLAIN = table("a,b,y", ROWS)


@pytest.fixture
def room(tmp_path: Path) -> Room:
    return Room(tmp_path)


def inputs(room: Room, content: str | bytes, target: str = "y") -> np.ndarray:
    prepared = room.put(content).prepare(target)
    return np.concatenate([prepared.array(f"{s}_inputs") for s in SPLITS])


# ---- how wide a file may be ----------------------------------------------------------------------------------------


def described(columns: int) -> tuple[EncodeReply, PrepareReply]:
    """Replies on that many columns, each with a missing cell."""
    encoding = TabularEncoding(columns=tuple(NumberColumn(name=f"c{k}", fill=0, mean=0, std=1) for k in range(columns)))
    facts = DataFacts(rows=30, missing_cells={f"c{k}": 1 for k in range(columns)})
    return EncodeReply(arrays={}, facts=facts), PrepareReply(
        task=Task.CLASSIFICATION, input_kind=InputKind.TABULAR, input_shape=(columns,), num_outputs=2,
        encoding=encoding, target=TargetEncoding(name="y"), arrays={}, facts=facts,
    )  # fmt: skip


@pytest.mark.parametrize("reply", described(30_000)[1:] + described(40_001)[:1], ids=["columns", "missing cells"])
def test_more_columns_than_can_be_described_are_refused_with_what_is_possible(reply):
    with pytest.raises(Refused, match="more columns, classes and categories than can be described"):
        jobs.bounded(reply)


def test_twenty_thousand_columns_can_be_described():
    for reply in described(20_000):
        assert jobs.bounded(reply) is reply


# ---- how a file may be written -------------------------------------------------------------------------------------


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_other_delimiters_give_the_same_arrays(room, delimiter):
    assert np.array_equal(inputs(room, PLAIN.replace(",", delimiter)), inputs(room, PLAIN))


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_byte_order_mark_changes_nothing(room, encoding):
    assert np.array_equal(inputs(room, PLAIN.encode(encoding)), inputs(room, PLAIN))


@pytest.mark.parametrize("end", ["\r\n", "\r"])
def test_line_ends_of_other_systems_change_nothing(room, end):
    assert np.array_equal(inputs(room, PLAIN.replace("\n", end)), inputs(room, PLAIN))


def test_blank_lines_a_missing_last_end_of_line_and_spaces_change_nothing(room):
    loose = "\n\n" + PLAIN.replace(",", " , ").replace("\n", "\n\n").rstrip()
    assert np.array_equal(inputs(room, loose), inputs(room, PLAIN))


def test_a_comma_inside_quotes_is_no_delimiter(room):
    rows = [f'"{"x, y" if i % 3 else "z"}",{"ab"[i % 2]}' for i in range(30)]
    column = room.put(table("text,y", rows)).prepare().reply.encoding.columns[0]
    assert column.values == ("x, y", "z")


def test_a_quoted_cell_may_span_lines(room):
    rows = [f'"{"x" if i % 3 else "two"}\nlines",{"ab"[i % 2]}' for i in range(30)]
    prepared = room.put(table('"te\nxt",y', rows)).prepare()
    assert prepared.reply.facts.rows == 30
    assert prepared.reply.encoding.columns[0].values == ("two\nlines", "x\nlines")


def test_decimal_commas_are_numbers_in_a_file_with_semicolons(room):
    rows = [f"{i},{i * i % 13};{'ab'[i % 2]}" for i in range(30)]
    column = room.put(table("x;y", rows)).prepare().reply.encoding.columns[0]
    assert column.kind == "number"
    assert 10 < column.mean < 20


def test_a_column_without_a_name_is_called_by_its_position(room):
    rows = [f"{i},{i * i % 11},{'ab'[i % 2]}" for i in range(30)]
    reply = room.put(table(",x,y", rows)).prepare().reply
    assert [c.name for c in reply.encoding.columns] == ["x"]
    assert any("only count the rows" in n and "'column 1'" in n for n in reply.facts.notes)


# ---- files that cannot be read -------------------------------------------------------------------------------------


@pytest.mark.parametrize("content", ["", "\n\n  \n", "\ufeff"])
def test_an_empty_file_is_refused(room, content):
    assert room.put(content).refused() == Refusal(
        kind=RefusalKind.NOT_READABLE, message="The file is empty. It needs a header line and at least ten rows."
    )


@pytest.mark.parametrize("content", ["a,b,y", "a,b,y\n"])
def test_a_header_alone_is_too_few_rows(room, content):
    assert room.put(content).refused().kind is RefusalKind.TOO_FEW_ROWS


def test_a_byte_that_is_not_utf8_is_named_by_its_offset(room):
    content = PLAIN.encode() + "1,2,Größe\n".encode("latin-1")
    message = room.put(content).refused().message
    assert f"byte {content.index(0xF6)} " in message


@pytest.mark.parametrize("start", [2**20 - 1, 2**20, 2**20 + 1])
def test_the_offset_is_right_across_the_blocks_in_which_the_file_is_read(room, start):
    content = b"a,b,y\n" + b"x" * (start - 6) + "é".encode() + b"\xff rest\n"
    assert f"byte {start + 2} " in room.put(content).refused().message


@pytest.mark.parametrize("content", [b"\x7fELF\x02\x01\x01\0\0\0", b"PK\x03\x04\x14\0\0", b"\x89PNG\r\n\x1a\n\0\0"])
def test_binary_garbage_is_refused(room, content):
    refusal = room.put(content).refused()
    assert refusal.kind is RefusalKind.NOT_READABLE
    assert "not" in refusal.message
    assert "text" in refusal.message


@pytest.mark.parametrize("line", ["1,2", "1,2,yes,4"])
def test_a_ragged_row_is_named_by_its_line(room, line):
    content = table("a,b,y", [*ROWS[:20], "", '"4","5\n","yes"', line, *ROWS[20:]])
    message = room.put(content).refused().message
    assert message.startswith(f"Line 25 has {line.count(',') + 1} values, but the header names 3 columns")


def test_an_unclosed_quote_is_refused_with_its_line(room):
    message = room.put(table("a,b,y", [*ROWS[:10], '"1,2,yes', *ROWS[10:]])).refused().message
    assert "Line 12 " in message
    assert "quote" in message


def test_repeated_column_names_are_refused_by_name(room):
    refusal = room.put(table("a,a,y", ROWS)).refused()
    assert refusal.kind is RefusalKind.WRONG_COLUMNS
    assert "'a'" in refusal.message


def test_a_file_without_a_header_is_recognised(room):
    refusal = room.put("\n".join(f"{i + 2},{i + 0.5},{i % 2}" for i in range(1, 30))).refused(target="species")
    assert refusal.kind is RefusalKind.NO_TARGET_COLUMN
    assert "no header" in refusal.message


def test_columns_called_by_numbers_are_used_with_a_note(room):
    reply = room.put(table("0,1,2", ROWS)).prepare(target="2").reply
    assert any("Every column name is a number" in note for note in reply.facts.notes)


def test_a_missing_target_column_lists_the_columns_nearest_first(room):
    rows = ["1,2,3,4"] * 20
    refusal = room.put(table("alpha,Species,beta,gamma", rows)).refused(target="specie")
    assert refusal.kind is RefusalKind.NO_TARGET_COLUMN
    assert "'specie'. The columns are 'Species', 'alpha', 'beta', 'gamma'." in refusal.message


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=400) | st.text("ab,;|\t\n\"'01.-\ufeff\u202e\x1b", max_size=400).map(str.encode))
def test_no_content_makes_the_loader_crash(tmp_path, content):
    reply = Room(tmp_path).put(content).ask(target="a")
    assert isinstance(reply, Refusal | PrepareReply)


def test_strings_of_the_user_in_messages_are_clipped_and_printable(room):
    nasty = "\x1b[31m\u202e" + "n" * 10_000
    refusal = room.put(table(f"{nasty},b,y", ROWS)).refused(target=nasty[:300] + "z")
    assert len(refusal.message) <= caps.MESSAGE_CHARS
    assert refusal.message.isprintable()


def test_notes_about_hundreds_of_columns_stay_few_and_short(room):
    names = ",".join(f"constant_{i}" for i in range(500))
    rows = [",".join(["1"] * 500) + f",{i * i},{'ab'[i % 2]}" for i in range(30)]
    notes = room.put(table(f"{names},x,y", rows)).prepare().reply.facts.notes
    assert [n for n in notes if "constant_0" in n and "and 492 more" in n]
    assert max(map(len, notes)) <= caps.MESSAGE_CHARS


def test_a_description_too_large_for_the_wire_is_refused(room):
    names = ",".join(f"{i:03d}" + "n" * 12_000 for i in range(400))
    rows = [",".join(str((i + 1) * (j + 3) % 101) for j in range(400)) + f",{'ab'[i % 2]}" for i in range(12)]
    assert "shorter names" in room.put(table(f"{names},y", rows)).refused().message


def test_data_beyond_the_memory_of_the_room_is_refused_with_both_figures():
    with pytest.raises(Refused, match=r"about 101 MiB of memory and 50 MiB are free"):
        memory.require(100 * 2**20, "the file", free=50 * 2**20)


def test_a_full_volume_is_a_refusal(room):
    import resource

    room.put(table("x,y", [f"{i * i},{'ab'[i % 2]}" for i in range(4000)]))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        refusal = room.refused()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "does not fit the room's volume" in refusal.message


# ---- targets -------------------------------------------------------------------------------------------------------


def test_rows_without_a_target_are_dropped_and_counted(room):
    rows = [*ROWS, "1,2,", "1,2,NA", "1,2, ? "]
    facts = room.put(table("a,b,y", rows)).prepare().reply.facts
    assert (facts.rows, facts.dropped_rows) == (40, 3)
    assert facts.class_counts == {"no": 20, "yes": 20}


def test_few_whole_numbers_are_classes_in_numeric_order_with_a_note(room):
    reply = room.put(table("x,y", [f"{i * i},{(i % 3) * 5}" for i in range(60)])).prepare().reply
    assert reply.task is Task.CLASSIFICATION
    assert reply.target.classes == ("0", "5", "10")
    assert any("#task=regression" in note for note in reply.facts.notes)


def test_many_whole_numbers_are_ambiguous_until_the_task_is_said(room):
    room.put(table("x,y", [f"{i * i},{i % 25}" for i in range(100)]))
    refusal = room.refused()
    assert refusal.kind is RefusalKind.AMBIGUOUS_TASK
    assert "#task=classification or #task=regression" in refusal.message
    assert room.prepare(task=Task.REGRESSION).reply.num_outputs == 1
    assert room.prepare(task=Task.CLASSIFICATION).reply.num_outputs == 25


def test_numbers_with_a_fraction_are_a_regression(room):
    prepared = room.put(table("x,y", [f"{i * i},{i / 4}" for i in range(40)])).prepare()
    assert prepared.reply.task is Task.REGRESSION
    assert prepared.array("train_targets").shape[1:] == (1,)
    assert prepared.reply.target.classes == ()


def test_booleans_are_classes(room):
    rows = [f"{i * i},{i % 2 == 0}" for i in range(40)]
    assert room.put(table("x,y", rows)).prepare().reply.target.classes == ("False", "True")


@pytest.mark.parametrize(
    ("targets", "task", "kind", "words"),
    [
        (["a"] * 40, None, RefusalKind.ONE_CLASS, "'a'"),
        (["a"] * 20 + ["b"] * 18 + ["c"] * 2, None, RefusalKind.TOO_FEW_ROWS, "'c'"),
        (["a", "b"] * 4, None, RefusalKind.TOO_FEW_ROWS, "8 of 8 rows"),
        (["1.5"] * 40, None, RefusalKind.BAD_TARGET, "nothing to predict"),
        ([f"{i}.5" for i in range(39)] + ["oops"], None, RefusalKind.BAD_TARGET, "'oops' (row 40"),
        (["a", "b"] * 20, Task.REGRESSION, RefusalKind.BAD_TARGET, "'a' (row 1 "),
        ([f"{i}e300" for i in range(1, 41)], Task.REGRESSION, RefusalKind.BAD_TARGET, "32-bit"),
        ([""] * 40, None, RefusalKind.TOO_FEW_ROWS, "0 of 40 rows"),
    ],
)
def test_targets_that_cannot_be_learnt_are_refused(room, targets, task, kind, words):
    refusal = room.put(table("x,y", [f"{i * i},{t}" for i, t in enumerate(targets)])).refused(task=task)
    assert refusal.kind is kind
    assert words in refusal.message


def test_a_table_of_nothing_but_the_target_has_no_features(room):
    refusal = room.put(table("y", ["a", "b"] * 20)).refused()
    assert refusal.kind is RefusalKind.NO_FEATURES


def test_a_table_of_useless_columns_has_no_features_and_says_why(room):
    rows = [f"{i},same,{'ab'[i % 2]}" for i in range(40)]
    refusal = room.put(table("index,constant,y", rows)).refused()
    assert refusal.kind is RefusalKind.NO_FEATURES
    assert "'index'" in refusal.message
    assert "'constant'" in refusal.message


def test_running_out_of_memory_is_a_refusal(room):
    rows = [",".join(str((i + 1) * (j + 3) % 101) for j in range(100)) + f",{'ab'[i % 2]}" for i in range(500)] * 300
    room.put(table(",".join(f"x{j}" for j in range(100)) + ",y", rows))
    small = Room(room.root / "small").put(PLAIN)
    done = subprocess.run(
        [sys.executable, "-c", STARVED, str(room.root), str(small.root)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert (done.returncode, done.stdout.strip()) == (0, "does not fit the memory"), done.stderr[-2000:]


STARVED = """
import resource, sys
import subprocess
import sys
from pathlib import Path
from fumehood_runner.prepare import prepare
from fumehood_shared.messages import CsvSource, PrepareRequest

split = {"split_seed": 0, "validation_fraction": 0.2, "test_fraction": 0.2}
request = PrepareRequest(source=CsvSource(target="y"), **split, deadline_s=60)
prepare(request, Path(sys.argv[2]))  # imports everything and starts the reader's thread
size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (size + (24 << 20),) * 2)
print("does not fit the memory" if "does not fit the memory" in prepare(request, Path(sys.argv[1])).message else "no")
"""
