"""A file that decides what is allowed is believed only where nobody else can change it, whichever way it is reached."""

import os
import tempfile
from pathlib import Path

import pytest

from fumehood import trusted_file
from fumehood.trusted_file import Untrusted
from nobody import as_nobody

pytestmark = pytest.mark.unit
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
STRANGER = 12345


def write(path: Path, content: str = "x", mode: int = 0o644) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    path.chmod(mode)
    return path


def why(path: Path) -> str:
    with pytest.raises(Untrusted) as refused:
        trusted_file.read(path, 100)
    return refused.value.why


def test_a_file_of_ours_in_a_folder_of_ours_is_read(tmp_path: Path) -> None:
    assert trusted_file.read(write(tmp_path / "a" / "f"), 100) == b"x"


def test_what_is_not_there_is_nothing(tmp_path: Path) -> None:
    assert trusted_file.read(tmp_path / "f", 100) is None
    assert trusted_file.read(tmp_path / "no" / "f", 100) is None


def test_a_relative_path_is_judged_from_the_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "open" / "f")
    monkeypatch.chdir(tmp_path / "open")
    assert trusted_file.read(Path("f"), 100) == b"x"
    (tmp_path / "open").chmod(0o777)
    assert str(tmp_path / "open") in why(Path("f"))


@pytest.mark.parametrize("mode", [0o664, 0o646, 0o666, 0o622])
def test_a_file_that_others_can_write_is_refused(tmp_path: Path, mode: int) -> None:
    assert why(write(tmp_path / "f", mode=mode)) == f"others can write to it (mode {mode:04o})"


@pytest.mark.parametrize("mode", [0o777, 0o775, 0o757])
@pytest.mark.parametrize("below", ["", "inner/"])
def test_a_folder_in_which_others_can_put_another_file_is_refused_at_any_depth(
    tmp_path: Path, mode: int, below: str
) -> None:
    path = write(tmp_path / "open" / f"{below}f")
    (tmp_path / "open").chmod(mode)
    assert f"below {tmp_path / 'open'}, in which others can put another file" in why(path)


def test_a_missing_file_that_others_could_have_removed_is_refused(tmp_path: Path) -> None:
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    assert "in which others can put another file" in why(tmp_path / "open" / "f")


def test_in_a_folder_with_the_sticky_bit_our_own_file_is_safe(tmp_path: Path) -> None:
    path = write(tmp_path / "sticky" / "f")
    path.parent.chmod(0o1777)
    assert trusted_file.read(path, 100) == b"x"


@as_root
def test_in_a_folder_with_the_sticky_bit_another_s_file_link_or_folder_is_not(tmp_path: Path) -> None:
    path, inner = write(tmp_path / "sticky" / "f"), write(tmp_path / "sticky" / "inner" / "f")
    link = tmp_path / "sticky" / "link"
    link.symlink_to(write(tmp_path / "own" / "f"))
    path.parent.chmod(0o1777)
    assert trusted_file.read(link, 100) == b"x"
    for entry in (path, inner.parent, link):
        os.chown(entry, STRANGER, -1, follow_symlinks=False)
    assert why(path).startswith(f"it belongs to user {STRANGER}")
    assert why(inner).startswith(f"it lies below {inner.parent}, which belongs to user {STRANGER}")
    assert why(link).startswith(f"the symbolic link {link} belongs to user {STRANGER}")


@as_root
def test_a_folder_of_another_user_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "theirs" / "f")
    os.chown(path.parent, STRANGER, -1)
    assert f"which belongs to user {STRANGER}" in why(path)


def test_a_link_is_followed_and_what_it_leads_to_is_judged(tmp_path: Path) -> None:
    target = write(tmp_path / "real" / "f")
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "up").symlink_to(f"../{tmp_path.name}/link/f")
    assert trusted_file.read(tmp_path / "up", 100) == b"x"
    target.chmod(0o666)
    assert "others can write to it" in why(tmp_path / "up")
    target.chmod(0o644)
    target.parent.chmod(0o777)
    assert str(target.parent) in why(tmp_path / "up")


def test_links_that_lead_nowhere_or_in_a_circle_end(tmp_path: Path) -> None:
    (tmp_path / "circle").symlink_to("circle")
    assert "too many symbolic links" in why(tmp_path / "circle")
    (tmp_path / "nowhere").symlink_to("absent")
    assert trusted_file.read(tmp_path / "nowhere", 100) is None


def test_what_is_no_file_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    assert why(tmp_path / "pipe") == "it is not a regular file"
    assert why(tmp_path) == "it is a directory"
    assert "not a regular file" in why(Path("/dev/null"))
    assert "which is no folder" in why(write(tmp_path / "f") / "g")


def test_a_file_that_is_too_large_is_refused(tmp_path: Path) -> None:
    assert trusted_file.read(write(tmp_path / "f", "x" * 100), 100) == b"x" * 100
    assert why(write(tmp_path / "f", "x" * 101)) == "it is larger than 100 bytes"


def test_a_user_who_may_not_read_it_is_told_and_not_given_nothing() -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o711)
        path = write(Path(folder, "f"), mode=0o600 if os.geteuid() == 0 else 0)

        def read() -> int:
            try:
                return 0 if trusted_file.read(path, 100) is None else 1
            except PermissionError:
                return 13

        assert as_nobody(read).code == 13
