"""Programs of a test's own in containers that are rooms in all but their first process."""

import secrets
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import docker
import pytest

from fumehood import policy
from fumehood.sandbox import engine, image
from fumehood.sandbox.cage import Cage, create_body
from fumehood.sandbox.room import remove_container, remove_volume


@pytest.fixture(scope="module")
def client() -> Iterator[docker.DockerClient]:
    found = engine.connect()
    yield found
    found.close()


def run(client: docker.DockerClient, program: str, *arguments: str, **changes: Any) -> str:
    """Standard output of a Python program in a train room's container.

    ``changes`` are fields of the room's ``Cage`` to set otherwise; ``prepare`` takes the prepare room's image.
    """
    name = f"fumehood-test-{secrets.token_hex(8)}"
    images = image.find(client)
    asked = Cage.of(
        policy.load("standard"),
        "train",
        host_cpus=2,
        image_id=(images.prepare if changes.pop("prepare", False) else images.sandbox).image_id,
        uid=1_900_000_007,
        name=name,
        exchange=name,
        labels={},
    )
    body = create_body(replace(asked, **changes))
    body["Entrypoint"] = [*body["Entrypoint"][:-1], "-W", "ignore", "-c", program, *arguments]
    body["Cmd"], body["Env"] = [], ["HOME=/tmp", "USER=room", "OMP_NUM_THREADS=2"]
    body["HostConfig"]["LogConfig"] = {"Type": "json-file", "Config": {}}
    try:
        client.api.create_container_from_config(body, name)
        client.api.start(name)
        status = client.api.wait(name, timeout=200)["StatusCode"]
        assert status == 0, client.api.logs(name).decode()[-4000:]
        return str(client.api.logs(name, stderr=False).decode())
    finally:
        remove_container(client.api, name)
        remove_volume(client.api, name)
