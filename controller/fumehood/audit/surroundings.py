"""A run's policy, rooms, images, raw data and openings of the seal, against this machine as far as it knows them.

Another machine, or a later version, is not a violation: what differs there is told. A room that ran under other limits
than the run's policy is one.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any

from docker.errors import APIError, DockerException, ImageNotFound
from requests.exceptions import RequestException

from fumehood import policy as policies
from fumehood.audit.findings import Finding, Group, differs, not_checked, same, told
from fumehood.chain import Entry
from fumehood.data import seal, specs
from fumehood.errors import EngineError, FumehoodError, PolicyError, UsageError
from fumehood.journal import State
from fumehood.policy import Policy
from fumehood.preparation import source_digest
from fumehood.records import ImageFact, RoomFacts
from fumehood.sandbox import engine, seccomp
from fumehood.sandbox.cage import profile_digest
from fumehood.sandbox.host import state_folder

_IMAGE_ID = re.compile(r"sha256:[0-9a-f]{64}")
_LIMITS = ("memory", "pids", "tmp", "exchange", "inodes", "shm", "nofile", "file")


# ---- policy and rooms ----------------------------------------------------------------------------------------------


def rules(state: State) -> Iterator[Finding]:
    """The policy, and whether every room was as it says."""
    try:
        limits = state.limits()
    except PolicyError as error:
        yield differs(Group.POLICY, "policy", error.what)
        return
    yield same(Group.POLICY, "policy")
    yield _shipped(limits)
    for where, room in _rooms(state):
        yield _room(where, room, limits, state)


def _shipped(limits: Policy) -> Finding:
    if limits.name not in policies.shipped():
        return told(Group.POLICY, limits.name, "is shipped with no name like this; its text is in the journal")
    there, here = limits.model_dump(mode="json"), policies.load(limits.name).model_dump(mode="json")
    other = sorted(_changed(there, here))
    if not other:
        return same(Group.POLICY, "as shipped today")
    return told(Group.POLICY, limits.name, f"what is shipped under this name today differs in {', '.join(other)}")


def _changed(there: dict[str, Any], here: dict[str, Any], prefix: str = "") -> Iterator[str]:
    for key in there.keys() | here.keys():
        old, new = there.get(key), here.get(key)
        if isinstance(old, dict) and isinstance(new, dict):
            yield from _changed(old, new, f"{prefix}{key}.")
        elif old != new:
            yield f"{prefix}{key}"


def _rooms(state: State) -> Iterator[tuple[str, RoomFacts]]:
    if state.prepared is not None and state.prepared.room is not None:
        since = state.prepared.kept_since
        yield f"prepare room of {since}" if since else "prepare room", state.prepared.room
    done = [(f"iteration {i.number}", i.envelope) for i in state.run.iterations]
    begun = (*state.abandoned, *state.pending)
    done += [(f"iteration {one.number}", one.envelope) for one in begun if one.envelope is not None]
    done += [(f"iteration {one.iteration} on fresh seeds", one.envelope) for one in state.run.remeasured]
    if state.test_envelope is not None:
        done.append(("sealed test", state.test_envelope))
    for where, envelope in done:
        for room in envelope.rooms:
            yield f"{where}, {room.role} room", room


def _room(where: str, room: RoomFacts, policy: Policy, state: State) -> Finding:
    seen = room.inspected
    if seen is None:
        return not_checked(Group.LIMITS, where, "the journal of that version does not hold them")
    limits, image = policy.limits(room.role), state.prepare_image if room.role == "prepare" else state.run.image
    wrong = [
        f"{name} was {getattr(seen, name)}, and the policy says {getattr(limits, name)}"
        for name in _LIMITS
        if getattr(seen, name) != getattr(limits, name)
    ]
    if seen.cpus > limits.cpus:
        wrong.append(f"cpus was {seen.cpus}, and the policy says {limits.cpus}")
    if seen.runtime != policy.runtime:
        wrong.append(f"runtime was {seen.runtime}, and the policy says {policy.runtime}")
    if image is not None and seen.image_id != image.image_id:
        wrong.append("its image is not the run's")
    if wrong:
        return differs(Group.LIMITS, where, "; ".join(wrong))
    if seen.seccomp_digest != profile_digest(seccomp.profile(policy.seccomp)):
        return told(Group.LIMITS, where, f"{policy.seccomp} was another than is shipped today; all else was as it says")
    return same(Group.LIMITS, where)


# ---- images --------------------------------------------------------------------------------------------------------


def images(state: State) -> Iterator[Finding]:
    """Whether the engine, if there is one, still has them."""
    named = [image for image in (state.run.image, state.prepare_image) if image is not None]
    usable = [image for image in named if _IMAGE_ID.fullmatch(image.image_id)]
    for image in named:
        if image not in usable:
            yield differs(Group.IMAGE, image.tag, "its id in the journal is no digest")
    if not usable:
        return
    try:
        client = engine.connect()
    except EngineError as error:
        yield not_checked(Group.IMAGE, "images", f"no engine: {error.what}", len(usable))
        return
    try:
        for image in usable:
            yield _image(client.api.inspect_image, image)
    finally:
        client.close()


def _image(inspect: Callable[[str], dict[str, Any]], image: ImageFact) -> Finding:
    try:
        inspect(image.image_id)
    except ImageNotFound:
        return not_checked(Group.IMAGE, image.tag, "the engine has no image with this id")
    except (APIError, DockerException, RequestException, OSError) as error:
        return not_checked(Group.IMAGE, image.tag, f"the engine did not answer: {type(error).__name__}")
    return same(Group.IMAGE, image.tag)


# ---- raw data and the ledger ---------------------------------------------------------------------------------------


def raw_data(state: State) -> Iterator[Finding]:
    """The file that the data came from, if it is still where it was."""
    dataset = state.run.dataset
    if dataset is None:
        return
    try:
        spec = specs.parse(dataset.spec, int(state.limits().raw_data))
        now = source_digest(spec, spec.file_digests())
    except (FumehoodError, OSError) as error:
        why = error.what if isinstance(error, FumehoodError) else error.strerror
        yield not_checked(Group.DATA, "where they came from", f"cannot be read here: {why}")
        return
    if now == dataset.source_digest:
        yield same(Group.DATA, "where they came from")
    else:
        yield told(Group.DATA, "where they came from", "the file of that name is another one today")


def ledger(state: State, last: Entry, *, complete: bool) -> Iterator[Finding]:
    """This user's ledger of openings remembers a run's, even if the journal was cut before it."""
    try:
        openings = seal.Ledger(state_folder() / "seal-ledger.jsonl").openings()
    except (UsageError, OSError) as error:
        yield not_checked(Group.SEAL, "ledger", str(error))
        return
    known = next((opening for opening in openings if opening.run_id == state.run.run_id), None)
    if known is None:
        if state.opening is not None:
            why = "this user's ledger does not know the run: it was made by another user, or on another machine"
            yield not_checked(Group.SEAL, "ledger", why)
    elif state.opening == known.number:
        yield same(Group.SEAL, "ledger")
    elif state.opening is not None:
        yield differs(Group.SEAL, "ledger", f"the ledger has number {known.number}, the journal {state.opening}")
    # A run that is killed between the two has its opening in the ledger only.
    elif complete and last.kind != "test_predicted":
        yield differs(Group.SEAL, "ledger", f"the run opened its seal at {known.at}: the journal was cut before that")
