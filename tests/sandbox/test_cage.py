"""An engine that drops, changes or adds any single setting of a room is found out, and the setting is named."""

import secrets
from dataclasses import replace

import pytest
from cages import LABELS, a_cage, a_handover, inspected

from fumehood.sandbox import cage, engine, image
from fumehood.sandbox.cage import create_body, differences
from fumehood.sandbox.room import remove_container, remove_volume

unit = pytest.mark.unit
BODY = create_body(a_cage())
HOST_FIELDS = sorted(BODY["HostConfig"])
OFF = ("Init", "RestartPolicy", "DeviceRequests")
"""Settings of a room without a GPU that say that something is not there."""
CONFIG_FIELDS = sorted(set(BODY) - {"HostConfig", "Image", "Env", "Labels"})


def other(value):
    """Something of the same kind that is not ``value``."""
    if value is None:
        return ["x"]
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    if isinstance(value, str):
        return value + "x"
    return [*value, "x"] if isinstance(value, list) else {**value, "Name": "x", "x": "y"}


def found(change, **of):
    """Differences after ``change(container, volumes)``."""
    asked = a_cage(**of)
    container, volumes = inspected(asked)
    change(container, volumes)
    return differences(asked, container, volumes)


@unit
@pytest.mark.parametrize("data", [None, a_cage().data], ids=["without data", "with data"])
@pytest.mark.parametrize("role", ["prepare", "train", "predict"])
def test_a_faithful_engine_is_not_complained_about(role, data):
    assert found(lambda container, volume: None, role=role, data=data) == []


@unit
@pytest.mark.parametrize("field", HOST_FIELDS)
def test_a_changed_limit_is_named(field):
    problems = found(lambda c, v: c["HostConfig"].update({field: other(c["HostConfig"][field])}))
    assert [p for p in problems if p.startswith(f"HostConfig.{field}:")], problems


@unit
@pytest.mark.parametrize("field", [f for f in HOST_FIELDS if f not in OFF])
def test_a_dropped_limit_is_named(field):
    problems = found(lambda c, v: c["HostConfig"].pop(field))
    assert [p for p in problems if p.startswith(f"HostConfig.{field}:")], problems


@unit
@pytest.mark.parametrize("field", OFF)
def test_an_engine_may_leave_out_what_is_off(field):
    assert found(lambda c, v: c["HostConfig"].pop(field)) == []


@unit
@pytest.mark.parametrize("field", CONFIG_FIELDS)
def test_a_changed_setting_of_the_process_is_named(field):
    problems = found(lambda c, v: c["Config"].update({field: other(c["Config"][field])}))
    assert [p for p in problems if p.startswith(f"Config.{field}:")], problems


@unit
@pytest.mark.parametrize("field", [f for f in CONFIG_FIELDS if f != "Tty"])
def test_a_dropped_setting_of_the_process_is_named(field):
    problems = found(lambda c, v: c["Config"].pop(field))
    assert [p for p in problems if p.startswith(f"Config.{field}:")], problems


@unit
@pytest.mark.parametrize("field", sorted(cage._MUST_BE_EMPTY))
def test_anything_let_in_or_loosened_is_named(field):
    assert found(lambda c, v: c["HostConfig"].update({field: ["x"]})) == [
        f"HostConfig.{field}: asked nothing, got ['x']"
    ]


@unit
@pytest.mark.parametrize("index", range(3))
@pytest.mark.parametrize("bound", ["Soft", "Hard"])
def test_a_changed_resource_limit_is_named(index, bound):
    def raise_it(container, volume):
        container["HostConfig"]["Ulimits"][index][bound] += 1

    assert found(raise_it)[0].startswith("HostConfig.Ulimits:")


@unit
def test_another_image_is_named():
    assert found(lambda c, v: c.update(Image="sha256:" + "6" * 64))[0].startswith("Image:")


@unit
@pytest.mark.parametrize("variable", ["LD_PRELOAD=/tmp/x.so", "PYTHONSTARTUP=/tmp/x.py", "NVIDIA_VISIBLE_DEVICES=all"])
def test_a_variable_of_the_image_that_could_act_is_named(variable):
    problems = found(lambda c, v: c["Config"]["Env"].append(variable))
    assert problems == [f"Config.Env: {variable.partition('=')[0]} is set"]


@unit
def test_a_lost_word_to_the_vendors_runtime_is_named():
    problems = found(lambda c, v: c["Config"]["Env"].remove("NVIDIA_VISIBLE_DEVICES=void"))
    assert problems == ["Config.Env: NVIDIA_VISIBLE_DEVICES=void is missing"]


@unit
@pytest.mark.parametrize("label", sorted(LABELS))
def test_a_missing_label_is_named_because_nobody_would_clean_up(label):
    assert found(lambda c, v: c["Config"]["Labels"].pop(label)) == [f"Config.Labels: {label} is missing"]


@unit
@pytest.mark.parametrize("which", [0, 1], ids=["exchange", "handover"])
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("Driver", "nfs"),
        ("Options", None),
        ("Options", {"type": "tmpfs", "device": "tmpfs", "o": "size=1"}),
        ("Labels", {}),
    ],
)
def test_a_volume_that_was_there_before_is_found_out(which, field, value):
    assert found(lambda c, v: v[which].update({field: value}))[0].startswith(f"Volume.{field}:")


@unit
@pytest.mark.parametrize(
    ("which", "flag"),
    [(k, flag) for k, volume in enumerate(inspected(a_cage())[1]) for flag in volume["Options"]["o"].split(",")],
)
def test_each_option_of_a_volume_counts(which, flag):
    def drop(container, volumes):
        options = volumes[which]["Options"]
        options["o"] = ",".join(f for f in options["o"].split(",") if f != flag)

    assert found(drop)[0].startswith("Volume.Options:")


@unit
@pytest.mark.parametrize("field", ["Type", "Name", "Destination", "RW"])
@pytest.mark.parametrize("index", [0, 1, 2])
def test_a_changed_mount_is_named(index, field):
    def change(container, volume):
        mount = container["Mounts"][index]
        mount[field] = other(mount[field])

    assert found(change)[0].startswith("Mounts:")


@unit
def test_an_added_or_dropped_mount_is_named():
    extra = {"Type": "bind", "Source": "/", "Destination": "/host", "RW": True, "Name": "x"}
    assert found(lambda c, v: c["Mounts"].append(extra))[0].startswith("Mounts:")
    assert found(lambda c, v: c["Mounts"].pop())[0].startswith("Mounts:")


@unit
def test_a_room_never_gets_more_cpus_than_the_host_has():
    assert a_cage().cpus == 2.0
    assert create_body(a_cage())["HostConfig"]["NanoCpus"] == 2_000_000_000


@pytest.mark.integration
def test_a_real_engine_reports_what_was_asked():
    client = engine.connect()
    tag, name = image.find(client).sandbox.image_id, secrets.token_hex(8)
    handover = replace(a_handover(writable=True), name=f"fumehood-test-{name}-h")
    ours = {"name": f"fumehood-test-{name}", "exchange": f"fumehood-test-{name}", "labels": {}}
    asked = a_cage(image_id=tag, data=None, handover=handover, **ours)
    try:
        created = client.api.create_container_from_config(create_body(asked), asked.name)
        container = client.api.inspect_container(created["Id"])
        volumes = [client.api.inspect_volume(name) for name in cage.volumes(asked)]
        assert differences(asked, container, volumes) == []
        container["HostConfig"]["PidsLimit"] = None
        assert differences(asked, container, volumes) == ["HostConfig.PidsLimit: asked 512, got None"]
    finally:
        remove_container(client.api, asked.name)
        for volume in cage.volumes(asked):
            remove_volume(client.api, volume)
