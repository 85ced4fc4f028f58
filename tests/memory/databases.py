"""Real PostgreSQL and MariaDB servers in containers, from an image that is made here of Debian's packages.

No registry is needed: it builds on the base of the sandbox image. Its tag is a digest of what it is made of, so it is
built once and kept. The containers are removed at the end.
"""

import hashlib
import io
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from docker.errors import ImageNotFound
from sqlalchemy import create_engine
from sqlalchemy.exc import OperationalError

from fumehood.sandbox import base as base_image
from fumehood.sandbox import engine

LABELS = {"fumehood.test": "databases"}
PASSWORD = "a-pass@word/1"
QUOTED = "a-pass%40word%2F1"
WAIT_S = 60

DOCKERFILE = r"""
RUN printf '#!/bin/sh\nexit 101\n' > /usr/sbin/policy-rc.d && chmod 755 /usr/sbin/policy-rc.d \
 && printf 'path-exclude=/usr/share/%s/*\n' doc man locale > /etc/dpkg/dpkg.cfg.d/small \
 && echo force-unsafe-io >> /etc/dpkg/dpkg.cfg.d/small \
 && apt-get -o Acquire::Languages=none update -q \
 && DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends postgresql mariadb-server \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/*
"""
POSTGRES = r"""
set -e
install -d -o postgres -g postgres /tmp/pg
printf '%s' "$SECRET" > /tmp/secret && chmod 644 /tmp/secret
bin=$(echo /usr/lib/postgresql/*/bin)
exec su postgres -c "$bin/initdb -D /tmp/pg -A scram-sha-256 --pwfile=/tmp/secret -E UTF8 --no-sync > /dev/null \
 && echo 'host all all all scram-sha-256' >> /tmp/pg/pg_hba.conf \
 && exec $bin/postgres -D /tmp/pg -c listen_addresses='*' -c fsync=off"
"""
MARIADB = r"""
set -e
install -d -o mysql -g mysql /run/mysqld
echo "CREATE DATABASE memory;" > /tmp/first.sql
echo "CREATE USER person IDENTIFIED BY '$SECRET';" >> /tmp/first.sql
echo "GRANT ALL ON memory.* TO person;" >> /tmp/first.sql
chmod 644 /tmp/first.sql
exec mariadbd --user=mysql --bind-address=0.0.0.0 --init-file=/tmp/first.sql --innodb-flush-log-at-trx-commit=0
"""


def image() -> str:
    """Tag of the image, built where it is not there yet."""
    client = engine.connect()
    base = base_image.ensure(client, lambda _: None)
    dockerfile = f"FROM {base.reference}\n{DOCKERFILE}"
    tag = f"fumehood-test-databases:{hashlib.sha256((base.digest + dockerfile).encode()).hexdigest()[:12]}"
    try:
        client.images.get(tag)
    except ImageNotFound:
        client.images.build(fileobj=io.BytesIO(dockerfile.encode()), tag=tag, labels=LABELS, rm=True, forcerm=True)
    return tag


@contextmanager
def postgres() -> Iterator[str]:
    """Address of a server with an empty database."""
    with _server(POSTGRES, 5432, lambda place: f"postgres://postgres:{QUOTED}@{place}/postgres") as url:
        yield url


@contextmanager
def mariadb() -> Iterator[str]:
    with _server(MARIADB, 3306, lambda place: f"mysql://person:{QUOTED}@{place}/memory") as url:
        yield url


@contextmanager
def _server(script: str, port: int, address: Callable[[str], str]) -> Iterator[str]:
    os.environ["TESTCONTAINERS_RYUK_DISABLED"] = "true"  # the container that would clean up comes from a registry
    from testcontainers.core.container import DockerContainer

    container = DockerContainer(image(), command=["sh", "-c", script], env={"SECRET": PASSWORD}, labels=LABELS)
    with container.with_exposed_ports(port):
        url = address(f"{container.get_container_host_ip()}:{container.get_exposed_port(port)}")
        _await(url)
        yield url


def _await(url: str) -> None:
    from fumehood.memory.address import parse

    found = parse(url)
    probe = create_engine(found.url, connect_args=dict(found.arguments))
    end = time.monotonic() + WAIT_S
    while True:
        try:
            with probe.connect():
                probe.dispose()
                return
        except OperationalError:
            if time.monotonic() > end:
                raise
            time.sleep(0.2)
