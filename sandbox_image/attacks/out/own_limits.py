"""Raises its own limit of open files above the room's."""

import resource

import kit


def attack():
    more = kit.TOLD["open_files"] + 1
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (more, more))
    except ValueError as error:
        raise PermissionError(str(error)) from error
    return f"{more} open files"
