"""Searches the libraries for the data sets that some ship, labels included: packed or not, by their first rows."""

import bz2
import gzip
import lzma
import stat
import zipfile

import kit

ROWS = (
    b"5.1,3.5,1.4,0.2",  # iris
    b"14.23,1.71,2.43,15.6",  # wine
    b"17.99,10.38,122.8",  # breast cancer
    b"0.0,0.0,5.0,13.0,9.0,1.0",  # digits
    b"0.000000000000000000e+00,0.000000000000000000e+00,5.0",  # digits, as scikit-learn has them
    b"3.807590643342410180e-02",  # diabetes
)
UNPACK = {b"\x1f\x8b": gzip.decompress, b"BZ": bz2.decompress, b"\xfd7zXZ": lzma.decompress}
LARGEST = 2**24
SOURCES = (".py", ".so", ".pyc", ".pyi", ".h", ".a")


def attack():
    files = (
        path for path, status in kit.all_files() if stat.S_ISREG(status.st_mode) and 1000 < status.st_size < LARGEST
    )
    return kit.some((path for path in files if not path.endswith(SOURCES) and holds(path)), "data sets")


def holds(path):
    return any(row in text for text in texts(b"".join(kit.content(path)), path) for row in ROWS)


def texts(raw, path):
    yield raw
    try:
        for magic, unpack in UNPACK.items():
            if raw.startswith(magic):
                yield unpack(raw)
        if raw.startswith(b"PK"):
            with zipfile.ZipFile(path) as archive:
                yield from (archive.read(name) for name in archive.namelist())
    except (OSError, EOFError, ValueError, zipfile.BadZipFile, lzma.LZMAError):
        return
