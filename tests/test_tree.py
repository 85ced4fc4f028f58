"""A folder that came from somebody else is read without following, waiting for, or swallowing what lies in it."""

import hashlib
import os
import socket

import pytest

from fumehood.tree import Missing, Tree, Unusable

pytestmark = pytest.mark.unit
SIZE = 1000


@pytest.fixture
def tree(tmp_path):
    (tmp_path / "run" / "a").mkdir(parents=True)
    (tmp_path / "run" / "a" / "file").write_bytes(b"content")
    (tmp_path / "secret").write_bytes(b"secret!")
    return Tree(tmp_path / "run")


def test_a_file_is_read(tree):
    assert tree.digest("a/file", SIZE) == hashlib.sha256(b"content").hexdigest()
    assert tree.digest("a/file", 7, exact=True)
    assert tree.read("a/file", 7) == b"content"
    assert tree.names("a") == ["file"]


@pytest.mark.parametrize(("size", "exact"), [(6, False), (6, True), (8, True)])
def test_another_size_than_agreed_is_refused(tree, size, exact):
    with pytest.raises(Unusable, match="has 7 bytes"):
        tree.digest("a/file", size, exact=exact)


@pytest.mark.parametrize("name", ["a/absent", "absent/file", "a/absent/file"])
def test_what_is_missing_is_missing(tree, name):
    with pytest.raises(Missing):
        tree.digest(name, SIZE)
    assert not tree.has(name)


@pytest.mark.parametrize(
    "name", ["../secret", "a/../../secret", "/etc/passwd", "a//file", "./a/file", "a\0/file", "a/\0"]
)
def test_no_name_leads_out(tree, name):
    with pytest.raises(Unusable):
        tree.read(name, SIZE)
    assert not tree.has(name)


def test_no_link_is_followed(tree):
    (tree.root / "a" / "link").symlink_to(tree.root.parent / "secret")
    (tree.root / "away").symlink_to(tree.root.parent)
    (tree.root / "loop").symlink_to("loop")
    for name in ("a/link", "away/secret", "loop", "loop/x"):
        with pytest.raises(Unusable):
            tree.read(name, SIZE)
    assert tree.names("away") == []
    assert tree.has("a/link")


def test_nothing_waits_for_a_writer_or_opens_a_socket(tree, monkeypatch):
    os.mkfifo(tree.root / "fifo")
    with socket.socket(socket.AF_UNIX) as server:
        monkeypatch.chdir(tree.root)  # a socket's path may be no longer than 107 characters
        server.bind("socket")
        for name in ("fifo", "socket", "a"):
            with pytest.raises(Unusable, match="not a regular file"):
                tree.digest(name, SIZE)


def test_a_sparse_terabyte_is_not_read(tree):
    with (tree.root / "huge").open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(Unusable, match="at most 1000 expected"):
        tree.digest("huge", SIZE)


def test_a_root_that_is_no_folder_is_told(tree):
    with pytest.raises(Unusable):
        Tree(tree.root / "a" / "file").read("x", SIZE)
    with pytest.raises(Missing):
        Tree(tree.root / "absent").read("x", SIZE)


def test_a_link_to_the_root_itself_is_the_users_own_choice(tree):
    (tree.root.parent / "latest").symlink_to(tree.root)
    assert Tree(tree.root.parent / "latest").read("a/file", SIZE) == b"content"
