"""Looks for the credentials that clusters, clouds and people leave in usual places."""

import os
from pathlib import Path

import kit

PLACES = (
    "/var/run/secrets", "/run/secrets", "/etc/kubernetes", "/etc/rancher", "/etc/shadow", "/etc/ssh", "/root", "/home",
    "/var/lib/kubelet", "/var/lib/cloud", "/.aws", "/.ssh", "/.docker", "/.netrc", "/.kube",
)  # fmt: skip


def attack():
    return kit.some((path for place in PLACES for path in readable(Path(place))), "credentials")


def readable(place):
    """Files with something in them at or below ``place``."""
    files = [place] if place.is_file() else [Path(path) for path, _ in kit.walk(str(place))]
    return [path for path in files if os.access(path, os.R_OK) and path.is_file() and any(kit.content(path))]
