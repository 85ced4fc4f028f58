"""Descriptors that a worker must not find: nothing written to their numbers arrives, and later they are as before."""

import os
from pathlib import Path

import pytest

from fumehood_runner.process import out_of_reach

pytestmark = pytest.mark.unit
OWN = Path("/proc/self/fd")


@pytest.fixture
def pipe():
    read, write = os.pipe2(os.O_NONBLOCK)
    yield read, write
    os.close(read)
    os.close(write)


def leading_to(target):
    """Numbers of our descriptors that lead to ``target``."""
    return [int(path.name) for path in OWN.iterdir() if path.is_symlink() and path.readlink() == target]


def test_what_is_written_meanwhile_goes_nowhere_and_later_it_arrives(pipe):
    read, write = pipe
    with out_of_reach(write):
        os.write(write, b"early")
    os.write(write, b"late")
    assert os.read(read, 100) == b"late"


def test_no_other_number_leads_there_meanwhile(pipe):
    read, write = pipe
    target = (OWN / str(write)).readlink()
    assert leading_to(target) == [read, write]
    with out_of_reach(write):
        assert leading_to(target) == [read]


def test_they_are_back_after_an_error_and_nothing_is_left_open(pipe):
    read, write = pipe
    before = len(list(OWN.iterdir()))
    with pytest.raises(ZeroDivisionError), out_of_reach(write):
        raise ZeroDivisionError
    os.write(write, b"here")
    assert os.read(read, 100) == b"here"
    assert len(list(OWN.iterdir())) == before
