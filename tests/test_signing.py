"""A signing key is taken from a file that nobody else can reach, or not at all."""

import os

import pytest

from fumehood import signing
from fumehood.errors import UsageError

pytestmark = pytest.mark.unit
SECRET = bytes(range(32))


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "audit.key"
    path.write_bytes(SECRET)
    path.chmod(0o600)
    return path


def read(path):
    return signing.read({"FUMEHOOD_AUDIT_KEY": str(path)})


def test_without_the_variable_there_is_no_key():
    assert signing.read({}) is signing.read({"FUMEHOOD_AUDIT_KEY": ""}) is None


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_the_files_bytes_are_the_key(path, mode):
    path.chmod(mode)
    assert read(path).secret == SECRET


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o620, 0o601])
def test_a_file_that_others_can_reach_is_refused(path, mode):
    path.chmod(mode)
    with pytest.raises(UsageError, match=f"others can reach it \\(mode {mode:04o}\\)"):
        read(path)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_file_of_another_user_is_refused(path):
    os.chown(path, 12345, -1)
    with pytest.raises(UsageError, match="belongs to user 12345"):
        read(path)


@pytest.mark.parametrize("size", [0, 31, 4097])
def test_what_is_too_short_or_too_long_is_refused(path, size):
    path.write_bytes(b"x" * size)
    with pytest.raises(UsageError, match="32 to 4096 bytes"):
        read(path)


def test_what_is_no_file_is_refused_and_nothing_waits(tmp_path):
    os.mkfifo(tmp_path / "fifo", 0o600)
    (tmp_path / "folder").mkdir(mode=0o700)
    for name in ("fifo", "folder", "absent", "nul\0l", "x" * 300):
        with pytest.raises(UsageError, match="cannot be used"):
            read(tmp_path / name)


def test_neither_message_nor_repr_holds_the_key(path):
    assert "\\x01" not in repr(read(path))
    path.chmod(0o644)
    with pytest.raises(UsageError) as caught:
        read(path)
    assert SECRET.hex() not in caught.value.what + caught.value.hint


def test_names_tell_keys_apart_and_are_not_their_digests(path):
    first, second = read(path), signing.SigningKey(SECRET[::-1])
    assert first.name != second.name
    assert len(first.name) == 16
