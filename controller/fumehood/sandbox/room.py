"""The life of one room: created, compared, started, attested, used once, destroyed.

    with host.room("train", data) as room:      # created, inspected, compared with the policy, started
        room.ready()                            # attestation compared with the policy
        room.send(files)
        ending = room.work(deadline_s)          # one job, to its end or its deadline
        files = room.collect(expected)
        room.end()                              # no process of it is alive
                                                # container and volumes are gone here, whatever happened

Files go in and come out over the room's standard streams, which its first process alone holds; the engine's archives
would take a tenth of a second each way.

Everything about the end of a job that matters is asked of the engine and of the controller's clock. A room that is not
as the policy says is an EngineError (exit 6) before anything foreign enters it.
"""

import contextlib
import hashlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import StrEnum
from types import TracebackType
from typing import Any, Self

import docker
from docker.errors import APIError, DockerException, NotFound
from requests.exceptions import RequestException

from fumehood.errors import EngineError
from fumehood.records import Inspected, RoomFacts
from fumehood.sandbox import attestation, cage, exchange
from fumehood.sandbox.cage import Cage
from fumehood.sandbox.download import allowed_s
from fumehood.sandbox.events import Events
from fumehood.sandbox.exchange import Expected, Outgoing, Received, Rejected
from fumehood.sandbox.group import RoomGroup
from fumehood.sandbox.stream import Stream
from fumehood.sandbox.usage import Usage, is_here, is_over, usage
from fumehood_shared import caps, paths
from fumehood_shared.messages import Attestation

_GRACE_S = 5.0
"""How much longer than the job's own deadline the controller waits for the supervisor to report."""
_REMOVAL_TRIES = 40
_NOTICE_TRIES = 40
_LAST_BREATH_S = 2.0
"""A room ends by itself when we hang up; after that long it is killed."""
_GLANCE_S = 0.001
_DEATH_S = 10.0
_IN_USE = 409


class Ending(StrEnum):
    """How a job ended, as seen from outside."""

    REPORTED = "reported"
    """The supervisor said it was done. A hint: what it left is still to be read."""
    DIED = "died"
    """The room's first process ended."""
    OUT_OF_TIME = "out_of_time"


class Room:
    """A context manager; entering creates and starts the room, leaving destroys it.

    Once its ``group`` is given up, from whatever thread, every wait here ends with Abandoned.
    """

    def __init__(
        self, api: docker.APIClient, cage: Cage, *, events: Events, group: RoomGroup, another: "Callable[[], Room]"
    ) -> None:
        self.cage = cage
        self._another = another
        self._api = api
        self._events = events
        self._group = group
        self._id: str | None = None
        self._stream: Stream | None = None
        self._asked_at = self._ready_at = self._started_at = self._ended_at = time.monotonic()
        self._output_bytes = self._sent_bytes = 0
        self._state: dict[str, Any] = {}
        self._usage = Usage(None, None)
        self._inspected: Inspected | None = None
        self._attested: Attestation | None = None
        self._dead = self._is_here = False

    # -- birth --

    def __enter__(self) -> Self:
        self._group.check()
        try:
            with engine_errors(f"creating the {self.cage.role} room"):
                self._create()
        except BaseException:
            self._close_if_possible()
            raise
        return self

    def _create(self) -> None:
        self._asked_at = time.monotonic()
        answer = self._api.create_container_from_config(cage.create_body(self.cage), self.cage.name)
        self._id = answer["Id"]
        container = self._api.inspect_container(self._id)
        volumes = [self._api.inspect_volume(name) for name in cage.volumes(self.cage)]
        if found := cage.differences(self.cage, container, volumes):
            raise _unlike_policy("the engine did not set what the policy asks", found)
        self._inspected = cage.inspected(container, volumes[0])
        streams = {"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1}
        self._stream = Stream(self._api.attach_socket(self._id, params=streams))
        self._group.add(self._stream)
        self._api.start(self._id)

    def ready(self) -> Attestation:
        """Wait for the room's own account of its cage and compare it with the policy; once is enough.

        Raises EngineError if it never comes, cannot be read, or differs.
        """
        if self._attested is not None:
            return self._attested
        said = self._wait_for("ready", self._asked_at + self.cage.limits.ready_s)
        if said is not True:
            why = "did not get ready in time"
            if said is False:
                why = f"ended before it was ready: {self.interruption() or self._last_words()}"
            raise EngineError(
                f"the {self.cage.role} room {why}",
                "fumehood doctor; fumehood image verify; or a longer ready_s in the policy",
            )
        try:
            seen = exchange.parse(
                self.read(paths.ATTESTATION, caps.ATTESTATION_BYTES), Attestation, caps.ATTESTATION_BYTES
            )
        except Rejected as error:
            raise EngineError(
                f"the {self.cage.role} room's attestation cannot be read: {error}", "fumehood image verify"
            ) from error
        if found := attestation.differences(self.cage, seen):
            raise _unlike_policy("the room does not see what the policy asks", found)
        self._ready_at = time.monotonic()
        self._attested = seen
        return seen

    def another(self) -> "Room":
        """A fresh room of the same kind, not entered yet, that is given up with the same group."""
        fresh = self._another()
        fresh._group = self._group
        return fresh

    @property
    def is_connected(self) -> bool:
        """Whether its streams are attached: they end with the room."""
        return self._stream is not None and not self._stream.has_ended

    def join(self, group: RoomGroup) -> None:
        """Be given up with ``group`` from now on. Raises Abandoned where it was given up already."""
        self._group.discard(self._expect_stream)
        self._group = group
        group.add(self._expect_stream)

    # -- work --

    def send(self, files: Iterable[Outgoing]) -> dict[str, str]:
        """Put files under ``in/`` of the exchange volume; the SHA-256 of what was sent, by name.

        Only before the start signal. Raises DataError for a file of ours that changes meanwhile, and EngineError for
        more than the volume holds, which is nobody's fault in the room.
        """
        return {file.name: self._put(file) for file in files}

    def _put(self, file: Outgoing) -> str:
        digest, role = hashlib.sha256(), self.cage.role
        with file.opened() as (size, pieces):
            self._sent_bytes += size
            if self._sent_bytes > self.cage.limits.exchange:
                raise EngineError(
                    f"{self._sent_bytes} bytes and more do not fit into the {role} room's exchange volume",
                    f"a policy with a larger {role}.exchange, or less data",
                )
            self._expect_stream.put(file.name, size, _digested(pieces, digest))
        return digest.hexdigest()

    def work(self, deadline_s: float) -> Ending:
        """Give the start signal and wait for the end of the job, a little longer than ``deadline_s``."""
        self._started_at = time.monotonic()
        self._expect_stream.say("go")
        said = self._wait_for("done", self._started_at + deadline_s + _GRACE_S)
        self._ended_at = time.monotonic()
        self._observe(said)
        if said is None:
            return Ending.OUT_OF_TIME
        if said is False and self._state.get("Running"):
            raise EngineError(
                f"the engine broke the connection to the {self.cage.role} room, which still runs",
                "fumehood doctor; a run can be resumed",
            )
        return Ending.REPORTED if said else Ending.DIED

    def _wait_for(self, word: str, deadline: float) -> bool | None:
        said = self._expect_stream.wait_for(word, deadline)
        self._group.check()
        return said

    def collect(
        self, expected: Mapping[str, Expected], folder: str = f"{paths.EXCHANGE}/{paths.OUT}"
    ) -> dict[str, Received]:
        """Read a folder of the room, once its job is over; see ``exchange.unpack``, which raises Rejected."""
        files = self._fetch("give", folder, {paths.ATTESTATION: Expected(caps.ATTESTATION_BYTES), **expected})
        self._output_bytes += sum(file.size for file in files.values())
        return files

    def read(self, name: str, cap: int) -> bytes:
        """One small file of ``out/``; Rejected if it is not there, is no file, or has more than ``cap`` bytes."""
        path = f"{paths.EXCHANGE}/{paths.OUT}/{name}"
        with self._archive("give", path, cap + caps.MIB) as pieces:
            found = exchange.unpack(pieces, "", {name: Expected(cap)}, cap + caps.MIB)
        if name not in found:
            raise Rejected(f"there is no {path}")
        return found[name].content

    def heads(self, names: Iterable[str], folder: str = paths.HANDOVER) -> dict[str, Received]:
        """Beginnings of the weights files ``names`` in ``folder``, and the room's list of what is there.

        Facts only before anything of a candidate's has run in this room. Raises Rejected.
        """
        listed = {paths.HANDED_OVER: Expected(caps.RESULT_BYTES)}
        return self._fetch("heads", folder, {name: Expected(caps.WEIGHTS_HEAD_BYTES) for name in names} | listed)

    def _fetch(self, command: str, folder: str, expected: Mapping[str, Expected]) -> dict[str, Received]:
        cap = int(self.cage.limits.output)
        with self._archive(command, folder, cap) as pieces:
            return exchange.unpack(pieces, folder.rpartition("/")[2], expected, cap)

    def _archive(self, command: str, path: str, cap: int) -> contextlib.AbstractContextManager[Iterator[bytes]]:
        return self._expect_stream.archive(f"{command} {path}", allowed_s(cap))

    # -- facts --

    def interruption(self) -> str | None:
        """What ended this room's job from outside, by the engine's own account; None where nothing is known to have."""
        return None if self._id is None else self._events.interruption(self._id, died=not self.runs())

    def runs(self) -> bool:
        """Whether its first process is alive. An engine that cannot tell has no such room any more, or went away."""
        try:
            return bool(self._api.inspect_container(self._id)["State"].get("Running"))
        except (DockerException, RequestException, OSError):
            return False

    @property
    def facts(self) -> RoomFacts:
        """What engine and clock say of this room's job; complete after ``work``."""
        state, used = self._state, self._usage
        return RoomFacts(
            role=self.cage.role,
            wall_s=self._ended_at - self._started_at,
            ready_s=self._ready_at - self._asked_at,
            cpu_s=used.cpu_s,
            peak_memory_bytes=used.peak_memory_bytes,
            oom_killed=bool(state.get("OOMKilled") or used.oom_kills),
            exit_code=None if state.get("Running") else state.get("ExitCode"),
            output_bytes=self._output_bytes,
            inspected=self._inspected,
        )

    def _observe(self, said: bool | None) -> None:
        """Ask the engine how the room stands now that its job is over."""
        with engine_errors(f"inspecting the {self.cage.role} room"):
            self._state = self._state_after(ended=said is False)
            if self._id is not None and self._state.get("Running"):
                self._usage = usage(self._api, self._id, self._state["Pid"])
                self._is_here = is_here(self._id, self._state["Pid"])

    def _state_after(self, *, ended: bool) -> dict[str, Any]:
        """The container's state; where its stream ``ended``, the engine gets a moment to notice that it died."""
        for _ in range(_NOTICE_TRIES if ended else 1):
            state: dict[str, Any] = self._api.inspect_container(self._id)["State"]
            if not ended or not state.get("Running"):
                break
            time.sleep(0.25)
        return state

    def _last_words(self) -> str:
        from fumehood import text

        return text.plain(self._expect_stream.errors[-600:], 600) or "it said nothing"

    @property
    def _expect_stream(self) -> Stream:
        if self._stream is None:
            raise RuntimeError("the room was not entered")
        return self._stream

    # -- death --

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self._close_if_possible()

    def _close_if_possible(self) -> None:
        """Where something failed already, that is to be told; what stays behind is the watchdog's."""
        with contextlib.suppress(EngineError):
            self.close()

    def end(self) -> None:
        """Have every process of the room dead when this returns, and nothing removed yet.

        Our own end of the stream goes first: an unread one blocks the engine, and the room ends by itself with it.
        """
        if self._dead:
            return
        if self._stream is not None:
            self._group.discard(self._stream)
            self._stream.close()
        if self._id is not None and not self._is_over_by_itself():
            with engine_errors(f"ending the {self.cage.role} room"):
                _kill(self._api, self._id)
        self._dead = True

    def _is_over_by_itself(self) -> bool:
        """Whether the kernel of this machine says in time that the room's first process, and so all others, ended.

        gVisor's rooms are left to the engine: their processes are not the room's.
        """
        pid = self._state.get("Pid") if self.cage.runtime == "runc" else None
        if not pid or not self._is_here:
            return False
        deadline = time.monotonic() + _LAST_BREATH_S
        while not is_over(pid):
            if time.monotonic() > deadline:
                return False
            time.sleep(_GLANCE_S)
        return True

    def close(self) -> None:
        """Destroy container and volumes. When it returns, no process of the room is alive.

        A hand-over volume goes with the last of its rooms.
        """
        if self._stream is not None:
            self._group.discard(self._stream)
            self._stream.close()
        with engine_errors(f"removing the {self.cage.role} room"):
            remove_container(self._api, self._id or self.cage.name)
            for name in cage.volumes(self.cage):
                _release_volume(self._api, name)


def _digested(pieces: Iterable[bytes], digest: "hashlib._Hash") -> Iterator[bytes]:
    for piece in pieces:
        digest.update(piece)
        yield piece


def _kill(api: docker.APIClient, identity: str) -> None:
    """Raises APIError or a timeout where the room survives it, or the engine does not say."""
    with contextlib.suppress(NotFound):
        with contextlib.suppress(APIError):  # it ended by itself meanwhile
            api.kill(identity)
        api.wait(identity, timeout=_DEATH_S)


def _unlike_policy(what: str, found: list[str]) -> EngineError:
    return EngineError(
        f"{what}: {'; '.join(found[:5])}{' ...' if len(found) > 5 else ''}",
        "nothing was run; use an engine that can enforce these limits (see: fumehood doctor), or another policy",
    )


def remove_container(api: docker.APIClient, name: str) -> None:
    """Kill and remove a container; returns once the engine no longer knows it, so that no process of it is left."""
    for _ in range(_REMOVAL_TRIES):
        try:
            api.remove_container(name, force=True)
            return
        except NotFound:
            return
        except APIError as error:
            if error.status_code != 409:  # removal is in progress already: ask again
                raise
        time.sleep(0.25)
    raise EngineError(
        f"the engine does not remove container {name}", "look at it with the engine's own tools, then: fumehood gc"
    )


def remove_volume(api: docker.APIClient, name: str) -> None:
    """Remove a volume; one that is not there is fine."""
    with contextlib.suppress(NotFound):
        api.remove_volume(name)


def _release_volume(api: docker.APIClient, name: str) -> None:
    """Remove a volume unless another container has it."""
    try:
        remove_volume(api, name)
    except APIError as error:
        if error.status_code != _IN_USE:
            raise


@contextlib.contextmanager
def engine_errors(doing: str) -> Iterator[None]:
    """Turn what the engine's client raises into EngineError that says what we were doing.

    Trouble with our own files (a full disk) is left as it is: it is neither the engine's nor a candidate's.
    """
    try:
        yield
    except (DockerException, RequestException, ConnectionError, TimeoutError) as error:
        detail = getattr(error, "explanation", None) or str(error)
        raise EngineError(
            f"the container engine failed while {doing}: {str(detail)[:300]}", "fumehood doctor; a run can be resumed"
        ) from error
