"""Downloads of public data sets: checked, resumable, from the first mirror that has the right file.

pooch compares checksums and puts a file in its place only when it is right; it cannot resume, so the bytes come through
a downloader of ours (``Resumable``). It keeps what arrived in ``NAME.part`` and asks for the rest by an HTTP range
(RFC 9110, section 14), in this call or in a later one. A file put together from two downloads that turns out wrong is
fetched once more from its beginning before its mirror is given up.
"""

import contextlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

from filelock import FileLock, Timeout

from fumehood.data import store
from fumehood.data.published import ImageSet, PublishedFile
from fumehood.errors import DataError
from fumehood.text import plain

Watcher = Callable[[str, int, int | None], None]
"""Told the name of a file, the bytes of it that are here, and how many there will be where the server says so."""

_MEGABYTE: Final = 1_000_000
_PIECE: Final = 256 * 1024
_TIMEOUT_S: Final = 30.0
_TRIES: Final = 3
_RANGE_NOT_SATISFIABLE: Final = 416
_PARTIAL: Final = 206


class TooLarge(Exception):
    """A server sends much more than the file can be."""


@dataclass
class Resumable:
    """A pooch downloader that goes on from ``part`` where there is one, and leaves what it got there when cut off."""

    part: Path
    most_bytes: int
    told: Callable[[int, int | None], None]
    resumed: bool = False
    """Whether the last call used bytes of an earlier one."""

    def __call__(self, url: str, output_file: str | Path, pooch: Any, check_only: bool = False) -> None:  # noqa: ARG002  # pooch's protocol
        import requests
        from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential

        self.resumed = self.part.exists() and self.part.stat().st_size > 0
        cut = (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError)
        waits = wait_exponential(multiplier=0.2, max=5)
        for attempt in Retrying(
            stop=stop_after_attempt(_TRIES), wait=waits, retry=retry_if_exception_type(cut), reraise=True
        ):
            with attempt:
                self._rest(url)
        os.replace(self.part, output_file)  # noqa: PTH105  # Path.replace says the same of a path that may be a str

    def _rest(self, url: str) -> None:
        import requests

        have = self.part.stat().st_size if self.part.exists() else 0
        # Compressed on the way, a file would have other lengths and ranges.
        headers = {"Accept-Encoding": "identity", **({"Range": f"bytes={have}-"} if have else {})}
        with requests.get(url, headers=headers, stream=True, timeout=_TIMEOUT_S) as response:
            if have and response.status_code == _RANGE_NOT_SATISFIABLE:
                if response.headers.get("Content-Range") == f"bytes */{have}":
                    return
                self.part.unlink()
                self._rest(url)
                return
            response.raise_for_status()
            goes_on = response.headers.get("Content-Range", "").startswith(f"bytes {have}-")
            goes_on = goes_on and response.status_code == _PARTIAL
            with self.part.open("ab" if goes_on else "wb") as file:
                self._take(response, file, have if goes_on else 0)

    def _take(self, response: Any, file: IO[bytes], have: int) -> None:
        length = response.headers.get("Content-Length", "")
        total = have + int(length) if length.isdigit() else None
        for piece in response.iter_content(_PIECE):
            have += len(piece)
            if have > self.most_bytes:
                raise TooLarge
            file.write(piece)
            self.told(have, total)


def fetch(wanted: ImageSet, watch: Watcher | None = None) -> list[Path]:
    """Bring every file of a set that is not here yet; the paths of those that were brought.

    :raises DataError: where no mirror has the right file, with what each of them said; what arrived is kept.
    """
    target = store.folder(wanted)
    try:
        target.mkdir(parents=True, exist_ok=True)
        with FileLock(target / ".lock", timeout=0):
            found = store.states(wanted)
            missing = [file for file in wanted.files if found[file.name] is not store.FileState.READY]
            return [_fetch_file(wanted, file, target, watch) for file in missing]
    except Timeout as error:
        raise DataError(f"{wanted.name} is being fetched by another process.", "Wait until that is done.") from error
    except OSError as error:
        shown = plain(str(target), 200)
        raise DataError(
            f"{wanted.name} cannot be written to {shown}: {error.strerror or error}.",
            "Free space there, or set FUMEHOOD_DATA_DIR to a folder of yours.",
        ) from error


def _fetch_file(wanted: ImageSet, file: PublishedFile, target: Path, watch: Watcher | None) -> Path:
    downloader = Resumable(
        part=target / f"{file.name}.part",
        most_bytes=int((2 * wanted.megabytes + 1) * _MEGABYTE),
        told=lambda have, total: watch(file.name, have, total) if watch else None,
    )
    said = []
    for mirror in wanted.mirrors:
        trouble = _from_mirror(f"{mirror}{file.name}", file, target, downloader)
        if trouble is None:
            return target / file.name
        said.append(f"{mirror} {trouble}")
    kept = ""
    if downloader.part.exists():
        kept = f" {downloader.part.stat().st_size} bytes of it are kept: the same command goes on from there."
    raise DataError(
        f"{file.name} of {wanted.name} could not be fetched: {'; '.join(said)}.{kept}",
        f"Check the network and try again. Or, without one, {store.by_hand(wanted)}",
    )


def _from_mirror(url: str, file: PublishedFile, target: Path, downloader: Resumable) -> str | None:
    """None once the file is in its place; else why this mirror did not do, as the rest of a sentence."""
    trouble = _try(url, file, target, downloader)
    if trouble == _WRONG and downloader.resumed:
        trouble = _try(url, file, target, downloader)
    return trouble


_WRONG: Final = "has a file with another checksum"


def _try(url: str, file: PublishedFile, target: Path, downloader: Resumable) -> str | None:
    import pooch
    import requests

    pooch.get_logger().setLevel("ERROR")  # whoever watches is told already
    try:
        pooch.retrieve(url, f"{file.algorithm}:{file.checksum}", fname=file.name, path=target, downloader=downloader)
    except requests.HTTPError as error:
        return f"answers {plain(str(error), 60)}"
    except requests.Timeout:
        return f"does not answer within {_TIMEOUT_S:.0f} s"
    except requests.exceptions.ChunkedEncodingError:
        return "was cut off in the middle"
    except requests.RequestException as error:
        return f"cannot be reached ({type(error).__name__})"
    except TooLarge:
        with contextlib.suppress(FileNotFoundError):
            downloader.part.unlink()
        return f"sends more than {downloader.most_bytes} bytes"
    except ValueError:  # how pooch says that the checksum differs
        return _WRONG
    return None
