"""A room has the GPUs that were granted and the driver's files that the policy lists, and nothing else of either."""

import secrets
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import docker
import pytest
from cages import CARD, INSTANCE, OTHER_CARD, a_cage, a_grant, attested, driver_file, inspected
from containers import client

from fumehood import policy
from fumehood.errors import EngineError
from fumehood.sandbox import attestation, image
from fumehood.sandbox.cage import Cage, Gpu, create_body, differences
from fumehood.sandbox.host import open_host
from fumehood_shared.messages import Attestation, GpuFact, MountFact

__all__ = ["client"]

unit = pytest.mark.unit
WHOLE, MIG = a_cage(grant=a_grant()), a_cage(grant=a_grant(Gpu(INSTANCE, CARD)))
BOTH = a_cage(grant=a_grant(Gpu(CARD, CARD), Gpu(OTHER_CARD, OTHER_CARD)))


def found(of: Cage = WHOLE, **changes: Any) -> list[str]:
    return attestation.differences(of, attested(of, **changes))


def nodes(of: Cage, *, without: str = "", plus: tuple[str, ...] = ()) -> tuple[str, ...]:
    return (*(name for name in attested(of).devices if name != without), *plus)


# ---- what is asked of the engine -------------------------------------------------------------------------------------


@unit
def test_a_room_without_a_grant_asks_for_no_device_and_says_so_to_the_vendors_runtime() -> None:
    body = create_body(a_cage())
    assert body["HostConfig"]["DeviceRequests"] == []
    assert body["Env"] == ["NVIDIA_VISIBLE_DEVICES=void"]


@unit
def test_the_nvidia_driver_is_asked_for_uuids_and_for_compute_alone() -> None:
    body = create_body(MIG)
    request = {"Driver": "nvidia", "DeviceIDs": [INSTANCE], "Capabilities": [["gpu", "compute"]]}
    assert body["HostConfig"]["DeviceRequests"] == [request]
    assert body["Env"] == [], "the engine sets NVIDIA_VISIBLE_DEVICES itself, and the last one counts"


@unit
def test_cdi_is_asked_for_devices_by_their_full_names() -> None:
    body = create_body(a_cage(grant=a_grant(through="cdi")))
    assert body["HostConfig"]["DeviceRequests"] == [{"Driver": "cdi", "DeviceIDs": [f"nvidia.com/gpu={CARD}"]}]
    assert body["Env"] == ["NVIDIA_VISIBLE_DEVICES=void"]


@unit
@pytest.mark.parametrize("through", ["nvidia", "cdi"])
def test_an_engine_that_answers_as_asked_is_not_complained_about(through: str) -> None:
    of = a_cage(grant=a_grant(through=through))
    assert differences(of, *inspected(of)) == []


@unit
@pytest.mark.parametrize(
    "change",
    [
        {"DeviceIDs": [OTHER_CARD]},
        {"DeviceIDs": [CARD, OTHER_CARD]},
        {"DeviceIDs": []},
        {"Count": -1},
        {"Driver": "amd"},
        {"Capabilities": [["gpu", "compute", "utility"]]},
        {"Options": {"x": "y"}},
    ],
)
def test_another_request_than_was_made_is_named(change: dict[str, Any]) -> None:
    container, volume = inspected(WHOLE)
    container["HostConfig"]["DeviceRequests"][0].update(change)
    (problem,) = differences(WHOLE, container, volume)
    assert problem.startswith("HostConfig.DeviceRequests: asked [{")


@unit
def test_a_request_that_was_dropped_or_added_is_named() -> None:
    container, volume = inspected(WHOLE)
    extra = dict(container["HostConfig"]["DeviceRequests"][0])
    for requests in (None, [], [extra, extra]):
        container["HostConfig"]["DeviceRequests"] = requests
        assert differences(WHOLE, container, volume)[0].startswith("HostConfig.DeviceRequests:")
    bare, volume = inspected(a_cage())
    bare["HostConfig"]["DeviceRequests"] = [extra]
    assert differences(a_cage(), bare, volume)[0].startswith("HostConfig.DeviceRequests: asked [], got")


# ---- what the room sees, planted -------------------------------------------------------------------------------------


@unit
@pytest.mark.parametrize("of", [WHOLE, MIG, BOTH], ids=["whole", "instance", "two"])
def test_a_room_that_sees_what_was_granted_is_accepted(of: Cage) -> None:
    assert found(of) == []


@unit
def test_another_gpu_of_the_host_is_named_even_though_the_driver_lists_it() -> None:
    listed = attested(BOTH).gpus
    assert found(gpus=listed, devices=nodes(WHOLE, plus=("nvidia1",))) == ["devices: nvidia1 is not expected"]
    assert found(gpus=listed) == [], "CDI does not hide the others from /proc"


@unit
def test_the_granted_gpu_is_known_by_its_uuid_and_not_by_its_number() -> None:
    swapped = tuple(GpuFact(uuid=u, nodes=(n,)) for u, n in ((CARD, "nvidia1"), (OTHER_CARD, "nvidia0")))
    assert found(gpus=swapped) == [
        "devices: nvidia0 is not expected",
        f"devices: nvidia1, of {CARD}, is missing",
        "mounts: /dev/nvidia0 (devtmpfs) is not expected",
    ]


@unit
def test_a_gpu_that_is_missing_is_named() -> None:
    alone = attested(WHOLE)
    assert found(BOTH, gpus=alone.gpus, devices=alone.devices, mounts=alone.mounts) == [
        f"gpus: {OTHER_CARD} is not listed by the driver"
    ]
    assert found(devices=nodes(WHOLE, without="nvidia0")) == [f"devices: nvidia0, of {CARD}, is missing"]


@unit
@pytest.mark.parametrize("name", ["nvidiactl", "nvidia-uvm"])
def test_a_node_that_cuda_needs_is_missed(name: str) -> None:
    assert found(devices=nodes(WHOLE, without=name)) == [f"devices: {name} is missing"]


@unit
@pytest.mark.parametrize("name", ["nvidia-caps/nvidia-cap1", "nvidia-caps/nvidia-cap2", "sda", "nvidia9", "dri/card5"])
@pytest.mark.parametrize("of", [WHOLE, MIG], ids=["whole", "instance"])
def test_rights_to_manage_instances_and_foreign_nodes_are_never_accepted(of: Cage, name: str) -> None:
    assert f"devices: {name} is not expected" in found(of, devices=nodes(of, plus=(name,)))


@unit
def test_the_rendering_node_of_a_granted_gpu_is_the_same_gpu() -> None:
    assert found(devices=nodes(WHOLE, plus=("dri/renderD128",))) == []
    assert found(devices=nodes(WHOLE, plus=("dri/renderD129",))) == ["devices: dri/renderD129 is not expected"]


@unit
def test_no_more_rights_to_instances_than_were_granted() -> None:
    three = nodes(MIG, plus=("nvidia-caps/nvidia-cap40",))
    assert found(MIG, devices=three) == ["devices: 3 rights to MIG instances, expected 2 at most"]
    one = nodes(WHOLE, plus=("nvidia-caps/nvidia-cap21",))
    assert found(devices=one) == ["devices: 1 rights to MIG instances, expected 0 at most"]


@unit
@pytest.mark.parametrize("role", ["prepare", "train", "predict"])
def test_a_room_without_a_grant_accepts_nothing_of_the_driver(role: Any) -> None:
    of = a_cage(role=role)
    with_gpu = attested(WHOLE)
    seen = attested(of, devices=with_gpu.devices, mounts=(*attested(of).mounts, with_gpu.mounts[-1]))
    problems = attestation.differences(of, seen)
    assert "devices: nvidia0 is not expected" in problems
    assert f"mounts: {with_gpu.mounts[-1].path} (ext4) is not expected" in problems
    assert attestation.differences(of, attested(of, gpus=with_gpu.gpus)) == [], "the list in /proc is no device"


@unit
@pytest.mark.parametrize("said", [None, "RuntimeError: No CUDA GPUs are available"])
def test_a_room_where_cuda_does_not_work_is_refused_before_any_candidate(said: str | None) -> None:
    assert found(cuda=said) == [f"cuda: expected 'works', seen {said!r}"]


def with_mount(mount: MountFact) -> list[str]:
    return found(mounts=(*attested(WHOLE).mounts, mount))


@unit
@pytest.mark.parametrize(
    "path",
    [
        "/usr/lib/x86_64-linux-gnu/libcuda.so.1",
        "/usr/lib/x86_64-linux-gnu/libnvidia-ptxjitcompiler.so.570.86.15",
        "/usr/lib64/libnvidia-ml.so.1",
        "/lib/firmware/nvidia/570.86.15/gsp_ga10x.bin",
        "/usr/bin/nvidia-smi",
    ],
)
def test_a_driver_file_of_the_list_is_accepted_and_only_read_only(path: str) -> None:
    assert with_mount(driver_file(path)) == []
    assert with_mount(driver_file(path, options=("rw", "nosuid", "nodev"))) == [f"mounts: {path} lacks ro"]
    assert with_mount(driver_file(path, options=("ro",))) == [f"mounts: {path} lacks nodev, nosuid"]


@unit
@pytest.mark.parametrize("kind", ["folder", "other", "device", None])
def test_what_is_no_file_is_no_driver_file(kind: Any) -> None:
    path = "/usr/lib64/libcuda.so.1"
    assert with_mount(driver_file(path, kind=kind)) == [f"mounts: {path} (ext4) is not expected"]


@unit
@pytest.mark.parametrize(
    "path",
    [
        "/usr/lib/x86_64-linux-gnu",
        "/usr/lib/x86_64-linux-gnu/libc.so.6",
        "/usr/lib/x86_64-linux-gnu/libcuda.so.1/x",
        "/opt/libcuda.so.1",
        "/etc/nvidia/secret",
        "/tmp/nvidia-mps",
        "/run/nvidia-persistenced",
    ],
)
def test_any_other_file_of_the_host_is_named(path: str) -> None:
    assert with_mount(driver_file(path)) == [f"mounts: {path} (ext4) is not expected"]


@unit
@pytest.mark.parametrize(
    "path", ["/run/nvidia-persistenced/socket", "/usr/lib64/libcuda.so.1", "/tmp", "/etc/hosts", "/dev/nvidiactl"]
)
def test_a_socket_is_never_accepted_whatever_its_name(path: str) -> None:
    for of in (WHOLE, a_cage()):
        mounts = (*(m for m in attested(of).mounts if m.path != path), driver_file(path, kind="socket"))
        assert f"mounts: {path} is a socket" in found(of, mounts=mounts)


# ---- gVisor, which shows no list -------------------------------------------------------------------------------------


@unit
def test_under_gvisor_gpus_are_counted() -> None:
    of = replace(BOTH, runtime="runsc")

    def seen(count: int) -> Attestation:
        devices = ("null", "nvidiactl", "nvidia-uvm", *(f"nvidia{k}" for k in range(count)))
        return attested(of, gpus=None, kernel="4.4.0", devices=devices, mounts=attested(a_cage()).mounts)

    assert attestation.differences(of, seen(2)) == []
    assert attestation.differences(of, seen(1)) == ["gpus: expected 2, seen 1"]
    assert attestation.differences(of, seen(3)) == ["devices: nvidia2 is not expected", "gpus: expected 2, seen 3"]


# ---- the real engine, which has no GPU -------------------------------------------------------------------------------


@pytest.fixture
def name(client: docker.DockerClient) -> Iterator[str]:
    name = f"fumehood-test-{secrets.token_hex(8)}"
    yield name
    assert client.api.containers(all=True, filters={"name": name}) == []
    assert not [v for v in client.api.volumes()["Volumes"] or [] if v["Name"] == name]


@pytest.mark.integration
@pytest.mark.parametrize("through", ["nvidia", "cdi"])
def test_an_engine_takes_the_request_and_a_start_without_a_driver_names_what_is_missing(
    client: docker.DockerClient, name: str, through: str
) -> None:
    of = a_cage(
        grant=a_grant(through=through),
        image_id=image.find(client).sandbox.image_id,
        name=name,
        exchange=name,
        labels={},
        data=None,
    )
    with (
        open_host(policy.load("standard"), "gpu") as host,
        pytest.raises(EngineError) as refused,
        host.room_as(of),
    ):
        pytest.fail("a room started without the GPU that it asked for")
    # Not "the engine did not set what the policy asks": the created container had the request as it was made.
    assert f'could not select device driver "{through}"' in refused.value.what
    assert refused.value.exit_code == 6


@pytest.mark.integration
def test_a_run_whose_gpu_is_gone_is_not_continued_without_it() -> None:
    with pytest.raises(EngineError, match=f"{CARD} is asked for, and the engine's host has none") as refused:
        open_host(policy.load("gpu"), "run", uuids=(CARD,)).__enter__()
    assert refused.value.exit_code == 6
