"""Fetching public sets from mirrors on the loopback interface: right, cut, corrupted and missing files."""

import hashlib
import json
import os
import random
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from filelock import FileLock

from fakes.mirror import Mirror, serving
from fumehood.data import store
from fumehood.data.fetch import fetch
from fumehood.data.published import ImageSet, PublishedFile
from fumehood.data.store import FileState
from fumehood.errors import DataError
from fumehood_shared.messages import ImageFormat

pytestmark = pytest.mark.unit

CONTENT = random.Random(0).randbytes(3_000_000)
NAME = "cifar-10-python.tar.gz"


@pytest.fixture(autouse=True)
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FUMEHOOD_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return tmp_path


@pytest.fixture
def mirrors() -> Iterator[tuple[Mirror, Mirror]]:
    with ExitStack() as stack:
        first, second = (stack.enter_context(serving(Mirror(files={NAME: CONTENT}))) for _ in range(2))
        yield first, second


def published(*mirrors: Mirror, **changes: object) -> ImageSet:
    fields = {
        "name": "cifar10",
        "format": ImageFormat.CIFAR10,
        "shape": (3, 32, 32),
        "rows": 60000,
        "megabytes": 3,
        "summary": "Small pictures.",
        "citation": "Somebody (2009)",
        "mirrors": tuple(mirror.url for mirror in mirrors),
        "files": (PublishedFile(name=NAME, md5=hashlib.md5(CONTENT).hexdigest()),),
    }
    return ImageSet.model_validate(fields | changes)


def trouble(wanted: ImageSet) -> DataError:
    with pytest.raises(DataError) as caught:
        fetch(wanted)
    return caught.value


def test_a_file_is_brought_once_and_is_then_ready(mirrors, data_dir):
    wanted = published(mirrors[0])
    assert fetch(wanted) == [data_dir / "cifar10" / NAME]
    assert (data_dir / "cifar10" / NAME).read_bytes() == CONTENT
    assert store.states(wanted) == {NAME: FileState.READY}
    assert fetch(wanted) == []
    assert len(mirrors[0].asked) == 1
    assert not list((data_dir / "cifar10").glob("*.part"))


def test_sha256_serves_as_well(mirrors):
    file = PublishedFile(name=NAME, sha256=hashlib.sha256(CONTENT).hexdigest())
    assert len(fetch(published(mirrors[0], files=(file,)))) == 1


def test_progress_ends_with_every_byte(mirrors):
    seen: list[tuple[str, int, int | None]] = []
    fetch(published(mirrors[0]), lambda *told: seen.append(told))
    assert seen[-1] == (NAME, len(CONTENT), len(CONTENT))
    assert len(seen) > 3


def test_an_answer_that_breaks_off_is_continued_where_it_stopped(mirrors, data_dir):
    mirrors[0].cuts[NAME] = [1_000_000]
    fetch(published(mirrors[0]))
    assert (data_dir / "cifar10" / NAME).read_bytes() == CONTENT
    first, second = mirrors[0].ranges_asked(NAME)
    assert first == ""
    assert second.startswith("bytes=")
    assert 0 < int(second[6:-1]) <= 1_000_000


def test_a_later_call_goes_on_with_what_an_earlier_one_got(mirrors, data_dir):
    mirrors[0].cuts[NAME] = [700_000, 0, 0]
    error = trouble(published(mirrors[0]))
    part = data_dir / "cifar10" / f"{NAME}.part"
    kept = part.stat().st_size
    assert 0 < kept <= 700_000
    assert "was cut off in the middle" in error.what
    assert f"{kept} bytes of it are kept" in error.what
    fetch(published(mirrors[0]))
    assert mirrors[0].ranges_asked(NAME)[-1] == f"bytes={kept}-"
    assert (data_dir / "cifar10" / NAME).read_bytes() == CONTENT
    assert not part.exists()


def test_another_mirror_goes_on_with_what_the_first_one_gave(mirrors, data_dir):
    mirrors[0].cuts[NAME] = [700_000, 0, 0]
    fetch(published(*mirrors))
    assert mirrors[1].ranges_asked(NAME)[0].startswith("bytes=")
    assert (data_dir / "cifar10" / NAME).read_bytes() == CONTENT


def test_a_server_without_ranges_sends_it_all_again(mirrors, data_dir):
    mirrors[0].ranges, mirrors[0].cuts[NAME] = False, [1_000_000]
    fetch(published(mirrors[0]))
    assert (data_dir / "cifar10" / NAME).read_bytes() == CONTENT


def test_a_part_that_is_already_whole_is_taken(mirrors, data_dir):
    (data_dir / "cifar10").mkdir()
    (data_dir / "cifar10" / f"{NAME}.part").write_bytes(CONTENT)
    fetch(published(mirrors[0]))
    assert mirrors[0].ranges_asked(NAME) == [f"bytes={len(CONTENT)}-"]
    assert (data_dir / "cifar10" / NAME).read_bytes() == CONTENT


@pytest.mark.parametrize("part", [b"x" * 1000, CONTENT + b"more", b"x" * (len(CONTENT) + 5)])
def test_a_part_of_something_else_is_not_trusted(mirrors, data_dir, part):
    (data_dir / "cifar10").mkdir()
    (data_dir / "cifar10" / f"{NAME}.part").write_bytes(part)
    fetch(published(mirrors[0]))
    assert (data_dir / "cifar10" / NAME).read_bytes() == CONTENT


def test_a_corrupted_file_sends_us_to_the_next_mirror(mirrors, data_dir):
    mirrors[0].files[NAME] = b"!" + CONTENT[1:]
    fetch(published(*mirrors))
    assert len(mirrors[0].asked) == 1
    assert mirrors[1].ranges_asked(NAME) == [""], "nothing of the wrong file is built upon"
    assert (data_dir / "cifar10" / NAME).read_bytes() == CONTENT


def test_where_no_mirror_has_the_right_file_each_is_named_with_its_reason(mirrors, data_dir):
    mirrors[0].files[NAME] = CONTENT[:-1]
    del mirrors[1].files[NAME]
    error = trouble(published(*mirrors))
    assert f"{mirrors[0].url} has a file with another checksum" in error.what
    assert f"{mirrors[1].url} answers 404" in error.what
    assert str(data_dir / "cifar10") in error.hint
    assert hashlib.md5(CONTENT).hexdigest() in error.hint
    assert error.exit_code == 2
    assert not (data_dir / "cifar10" / NAME).exists()


def test_nobody_there_is_told_with_the_file_to_put_where(data_dir):
    with serving(Mirror()) as gone:
        pass
    error = trouble(published(gone))
    assert "cannot be reached" in error.what
    assert NAME in error.hint


def test_a_mirror_that_sends_without_end_is_given_up(mirrors, data_dir):
    mirrors[0].files[NAME] = bytes(3_500_000)
    error = trouble(published(mirrors[0], megabytes=1))
    assert "sends more than 3000000 bytes" in error.what
    assert not list((data_dir / "cifar10").glob("*.part"))


def test_a_damaged_file_is_replaced(mirrors, data_dir):
    (data_dir / "cifar10").mkdir()
    (data_dir / "cifar10" / NAME).write_bytes(b"damaged")
    assert store.states(published(mirrors[0])) == {NAME: FileState.WRONG}
    assert len(fetch(published(mirrors[0]))) == 1
    assert store.states(published(mirrors[0])) == {NAME: FileState.READY}


def test_two_fetches_of_one_set_do_not_mix(mirrors, data_dir):
    (data_dir / "cifar10").mkdir()
    with FileLock(data_dir / "cifar10" / ".lock"):
        assert "another process" in trouble(published(mirrors[0])).what


# ---- the store -----------------------------------------------------------------------------------------------------


def test_a_file_put_there_by_hand_is_used(mirrors, data_dir):
    (data_dir / "cifar10").mkdir()
    (data_dir / "cifar10" / NAME).write_bytes(CONTENT)
    assert store.ready_files(published(mirrors[0])) == ((NAME, data_dir / "cifar10" / NAME),)


def test_what_is_not_there_is_an_error_with_file_folder_and_checksum(mirrors, data_dir):
    with pytest.raises(DataError) as caught:
        store.ready_files(published(mirrors[0]))
    assert "cifar10 has not been fetched" in caught.value.what
    for part in ("fumehood data fetch cifar10", str(data_dir / "cifar10"), NAME, hashlib.md5(CONTENT).hexdigest()):
        assert part in caught.value.hint


def test_a_verified_file_is_not_read_again_until_it_changes(mirrors, data_dir):
    wanted = published(mirrors[0])
    fetch(wanted)
    assert store.states(wanted) == {NAME: FileState.READY}
    path = data_dir / "cifar10" / NAME
    remembered = json.loads((path.parent / ".verified.json").read_text())
    assert list(remembered) == [NAME]
    status = path.stat()
    path.write_bytes(b"!" + CONTENT[1:])
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert store.states(wanted) == {NAME: FileState.WRONG}, "the same size and time, set back by somebody"


def test_another_checksum_in_the_catalogue_is_looked_at_anew(mirrors):
    fetch(published(mirrors[0]))
    assert store.states(published(mirrors[0])) == {NAME: FileState.READY}
    other = (PublishedFile(name=NAME, md5="0" * 32),)
    assert store.states(published(mirrors[0], files=other)) == {NAME: FileState.WRONG}
