"""Targets with a known fault each: what a campaign has to find."""

import time


def _grows(raw: bytes) -> bool:
    return bool(bytearray(b"x") * (100 * 1024 * 1024 if b"seed-0" in raw else 1))


def _raises(raw: bytes) -> bool:
    raise ValueError("not a Rejected")


def _hangs(raw: bytes) -> bool:
    time.sleep(3600)
    return True


def _dies(raw: bytes) -> bool:
    raise SystemExit(1)


TARGETS = {"grows": _grows, "raises": _raises, "hangs": _hangs, "dies": _dies}
