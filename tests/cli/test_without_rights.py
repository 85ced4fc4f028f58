"""A user without root and without an engine gets exit code 6 and three ways out, never a traceback."""

import os

import optuna  # noqa: F401  # as below
import pytest

import fumehood.cli.doctor
import fumehood.doctor.limits
import fumehood.session  # noqa: F401  # imported before the rights to read it are given up
from fumehood.cli import main
from fumehood.sandbox import engine, gvisor
from nobody import UID, as_nobody

pytestmark = pytest.mark.unit
WAYS_OUT = ("(1) ", "rootless Docker", "(2) ", "DOCKER_HOST", "(3) ", "ask the administrator")


@pytest.fixture
def dead(tmp_path):
    return {"DOCKER_HOST": f"unix://{tmp_path}/dead.sock"}


def fumehood_(*arguments):
    def work():
        main(list(arguments))

    return work


def identity():
    print(os.getuid(), os.geteuid(), os.getgroups(), flush=True)
    return 0


def test_the_user_of_these_tests_has_no_rights():
    uid, effective = as_nobody(identity).out.split()[:2]
    assert uid == effective != "0"
    assert int(uid) == (UID if os.geteuid() == 0 else os.geteuid())


@pytest.mark.parametrize(
    "arguments",
    [
        ("run", "--goal", "Classify digits", "--data", "digits", "--workdir", "run"),
        ("image", "build"),
        ("image", "build", "--setup-engine"),
        ("image", "verify"),
        ("image", "save", "/nonexistent/x.tar"),
        ("policy", "check", "standard"),
        ("doctor",),
    ],
    ids=lambda it: " ".join(it[:2]),
)
def test_a_command_that_needs_an_engine_tells_the_three_ways_out(dead, arguments):
    done = as_nobody(fumehood_(*arguments), **dead)
    assert done.code == 6, done
    assert [words for words in WAYS_OUT if words not in done.out + done.err] == []
    assert "Traceback" not in done.err


def test_make_engine_tells_them_too(dead):
    done = as_nobody(engine.main, **dead)
    assert (done.code, done.out) == (6, "")
    assert [words for words in WAYS_OUT if words not in done.err] == []


def test_make_gvisor_without_an_engine_does_not_get_that_far(dead):
    done = as_nobody(lambda: gvisor.main([]), **dead)
    assert (done.code, done.out) == (6, "")
    assert "no container engine answers" in done.err
