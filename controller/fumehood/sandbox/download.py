"""Reading a file or folder out of a container through the engine's archive API, until a deadline of ours.

The engine's client bounds each wait for a byte, never the whole: an archive that trickles could be read for ever, and
while it is open the engine neither inspects nor kills the container. So a timer shuts our own end of the connection.
What the bytes mean is not looked at here (``exchange``).
"""

import contextlib
import threading
from collections.abc import Iterator

import docker
from docker.errors import create_api_error_from_http_exception
from requests import HTTPError, RequestException, Response

from fumehood.sandbox.exchange import Rejected
from fumehood_shared import caps

_CHUNK = caps.MIB
_PATIENCE_S = 30.0
_SLOWEST = 4 * caps.MIB
"""Bytes a second that a working engine gives, wherever it is."""
_NOT_FOUND = 404


def allowed_s(size: int) -> float:
    """Seconds that reading at most ``size`` bytes may take."""
    return _PATIENCE_S + size / _SLOWEST


@contextlib.contextmanager
def download(api: docker.APIClient, container: str, path: str, within_s: float) -> Iterator[Iterator[bytes]]:
    """The tar stream of ``path`` in ``container``, in chunks.

    Raises Rejected if there is no such path, or when the stream has not ended ``within_s`` seconds after its first byte
    could be read; else what the engine's client raises.
    """
    url = f"{api.base_url}/v{api.api_version}/containers/{container}/archive"
    # Without the client's own timeout a request waits for ever.
    response = api.get(
        url, params={"path": path}, headers={"Accept-Encoding": "identity"}, stream=True, timeout=api.timeout
    )
    expired = threading.Event()
    timer = threading.Timer(within_s, _end, (response, expired))
    timer.daemon = True
    with contextlib.closing(response):
        _expect_found(response, path)
        timer.start()
        try:
            yield _chunks(response, expired, f"{path} did not arrive within {within_s:.0f} s")
        finally:
            timer.cancel()


def _expect_found(response: Response, path: str) -> None:
    if response.status_code == _NOT_FOUND:
        raise Rejected(f"there is no {path}")
    try:
        response.raise_for_status()
    except HTTPError as error:
        create_api_error_from_http_exception(error)


def _chunks(response: Response, expired: threading.Event, too_late: str) -> Iterator[bytes]:
    try:
        for chunk in response.iter_content(_CHUNK):
            yield chunk
            if expired.is_set():
                break
    except (RequestException, OSError):
        if not expired.is_set():
            raise
    if expired.is_set():
        raise Rejected(too_late)


def _end(response: Response, expired: threading.Event) -> None:
    """Wake the reader, which may be waiting for a byte."""
    expired.set()
    try:
        response.raw.shutdown()
    except (ValueError, RuntimeError, OSError):  # a transport without sockets of its own, or one that has just ended
        response.close()
