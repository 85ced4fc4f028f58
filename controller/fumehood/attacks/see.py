"""What can it see? Identity, rights, mounts, secrets, processes, networks, the kernel's own files, and labels."""

from dataclasses import replace
from typing import Final

from fumehood.attacks import walls
from fumehood.attacks.attack import Attack, Group, Probe, Relaxed


def _probe(name: str, expected: str, relaxed: Relaxed) -> Probe:
    return Probe(name, Group.SEE, expected, relaxed=relaxed)


_ANSWERING: Final = replace(
    walls.capability("NET_ADMIN", NetworkMode="none", Dns=["127.0.0.1"], CapAdd=["NET_ADMIN", "NET_BIND_SERVICE"]),
    what="no network, and the filter: one of its own that answers",
    first="own_network",
)
_ENVIRONMENT: Final = Relaxed("no environment", config={"Env": ["FUMEHOOD_CANARY=secret"]})
_LEFT_OPEN: Final = Relaxed("the supervisor, which closes its files", first="left_open")
_LIBRARY_DATA: Final = Relaxed("an image without data sets", prepare=True)
_HOST_NAME: Final = Relaxed("a host name of its own", host={"UTSMode": "host"}, config={"Hostname": ""})
_UNMASKED_MEMORY: Final = walls.capability("SYS_RAWIO", MaskedPaths=[], ReadonlyPaths=[])

ATTACKS: Final[tuple[Attack, ...]] = (
    _probe("capabilities", "none, in all five sets", walls.host("no capabilities", CapDrop=[], CapAdd=["NET_RAW"])),
    _probe("new-privileges", "cannot be gained", walls.host("no new privileges", SecurityOpt=["seccomp=unconfined"])),
    _probe("system-call-filter", "in place", walls.FILTER),
    _probe("identity", "nobody whom the image knows", walls.ROOT),
    _probe("set-id-files", "none", walls.mounted("set-id", "/opt/set-id")),
    _probe("engine-sockets", "none", walls.mounted("engine.sock", "/var/run/docker.sock")),
    _probe("abstract-sockets", "none", walls.HOST_NETWORK),
    _probe("mounts", "the room's own", walls.mounted("secret", "/mnt/secret")),
    _probe("secret-in-files", "not found", walls.mounted("secret", "/mnt/secret")),
    _probe("secret-in-processes", "not found", walls.HOST_PROCESSES),
    _probe("environment", "empty", _ENVIRONMENT),
    _probe("open-files", "standard streams only", _LEFT_OPEN),
    _probe("processes", "its own", walls.HOST_PROCESSES),
    _probe("service-tokens", "none", walls.mounted("secret", "/var/run/secrets/kubernetes.io/serviceaccount/token")),
    _probe("interfaces", "lo", walls.HOST_NETWORK),
    _probe("tcp", "unreachable", _ANSWERING),
    _probe("udp", "unreachable", _ANSWERING),
    Probe("ipv6", Group.SEE, "unreachable", relaxed=_ANSWERING, may_be_absent=True),
    _probe("dns", "unreachable", _ANSWERING),
    _probe("gateway", "unreachable", _ANSWERING),
    _probe("cloud-metadata", "unreachable", _ANSWERING),
    _probe("host-loopback", "unreachable", walls.HOST_NETWORK_UNFILTERED),
    Probe("kernel-memory", Group.SEE, "masked", relaxed=_UNMASKED_MEMORY, may_be_absent=True),
    _probe("masked-files", "masked", walls.UNMASKED),
    _probe("host-names", "not found", _HOST_NAME),
    _probe("control-group", "its own root", walls.host("a control group namespace", CgroupnsMode="host")),
    _probe("labels", "not found", walls.mounted("hidden-labels", "/mnt/labels")),
    _probe("bundled-data", "none", _LIBRARY_DATA),
)
