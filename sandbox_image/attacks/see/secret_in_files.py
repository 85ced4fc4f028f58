"""Searches every file that it can read for a secret that lies on the host."""

import stat

import kit


def attack():
    files = (path for path, status in kit.all_files() if stat.S_ISREG(status.st_mode))
    return kit.some((path for path in files if any(map(kit.has_secret, kit.content(path)))), "files with the secret")
