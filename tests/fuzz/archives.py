"""Strategies for tar streams whose every field may be anything, most of them close to what is agreed."""

from hypothesis import strategies as st

from fuzz import corpus, documents

BLOCK = 512
_NAMES = st.sampled_from([
    b"out", b"out/", b"out/seed-0", b"out/result.json", b"out/result.json", b"out/seed-0/weights.safetensors",
    b"out/seed-0/predictions.bin", b"out/inputs.bin", b"result.json", b"/out/result.json", b"../out/result.json",
    b"out/../result.json", b"out/result.json/", b"out//result.json", b"out/result.json\n", b"-rf", b"out/\xff\xfe",
    b"out/" + b"n" * 96, b"", b"out/\xc3\xa9", b"out\\result.json", b"OUT/result.json", b"out/result.json\0x",
])  # fmt: skip
_KINDS = st.sampled_from([b"0", b"0", b"0", b"0", b"\0", b"5", b"5", *(b"%c" % c for c in b"12346789LKxgXSDMNVAZ\xff")])
_SIZES = (
    st.sampled_from([0, 1, 96, 512, 600, 1000]) | st.integers(0, 3000) | st.sampled_from([2**20, 2**33, 2**63, 2**88])
)
_MAGICS = st.sampled_from([b"ustar\x0000"] * 6 + [b"ustar  \0"] * 3 + [b"\0" * 8, b"ustar\0  ", b"GNUtar \0"])
_RECORDS = st.sampled_from([
    (b"path", b"out/result.json"), (b"path", b"../x"), (b"path", b"out/\xff"), (b"path", b"x" * 5000), (b"size", b"0"),
    (b"size", b"96"), (b"size", b"-1"), (b"size", b"9" * 19), (b"size", b"9" * 400), (b"size", b"1e3"),
    (b"linkpath", b"/etc"), (b"GNU.sparse.map", b"0,1,2,3"), (b"GNU.sparse.major", b"1"), (b"GNU.sparse.minor", b"0"),
    (b"GNU.sparse.size", b"99999999999"), (b"GNU.sparse.realsize", b"96"), (b"GNU.sparse.name", b"out/result.json"),
    (b"hdrcharset", b"BINARY"), (b"mtime", b"1.5"), (b"SCHILY.xattr.user.x", b"a\nb=c\0"), (b"comment", b"\xff"),
    (b"", b""), (b"size", b" 5"),
])  # fmt: skip


def _number(value: int, width: int, style: str) -> bytes:
    if style == "octal" and value < 8 ** (width - 1):
        return b"%0*o\0" % (width - 1, value)
    if style == "spaces" and value < 8 ** (width - 2):
        return (b"%o" % value).rjust(width - 2) + b" \0"
    if style == "negative":
        return b"\xff" * (width - 1) + bytes([-value % 256])
    if style == "garbage":
        return b"0x1f".ljust(width, b"\0")
    return b"\x80" + (value % 2 ** (8 * (width - 1))).to_bytes(width - 1, "big")


@st.composite
def _headers(draw: st.DrawFn, name: bytes, kind: bytes, size: int) -> bytes:
    block = bytearray(BLOCK)
    block[0:100] = name[:100].ljust(100, b"\0")
    style = draw(st.sampled_from(["octal"] * 8 + ["spaces", "base-256", "base-256", "negative", "garbage"]))
    block[124:136] = _number(size, 12, style)
    block[156:157] = kind
    block[157:257] = draw(st.sampled_from([b"", b"", b"/etc/passwd"])).ljust(100, b"\0")
    block[257:265] = draw(_MAGICS)
    if draw(st.integers(0, 9)) == 0:
        block[345:500] = draw(st.sampled_from([b"out", b"..", b"x" * 155, b"out/seed-0", b"\xff"])).ljust(155, b"\0")
    for position, value in draw(st.lists(st.tuples(st.integers(0, 511), st.integers(0, 255)), max_size=1)):
        block[position] = value
    block[148:156] = b" " * 8
    wrong = draw(st.sampled_from([0] * 30 + [1]))
    block[148:156] = b"%06o\0 " % (sum(block) + wrong)
    return bytes(block)


@st.composite
def _extensions(draw: st.DrawFn) -> bytes:
    kind = draw(st.sampled_from([b"x", b"x", b"x", b"L", b"K", b"g", b"X"]))
    if kind in (b"L", b"K"):
        content = draw(_NAMES) + draw(st.sampled_from([b"\0", b"", b"\0junk"]))
    else:
        content = b"".join(_record(*record) for record in draw(st.lists(_RECORDS, max_size=4)))
        content += draw(
            st.sampled_from([b""] * 6 + [b"5 a=\n", b"1 a=b\n", b"999999 a=b\n", b"\0" * 9, b"7 noeq\n", b"1" * 999])
        )
    claimed = draw(st.sampled_from([len(content)] * 12 + [len(content) + 1, 2**40]))
    return draw(_headers(b"././@PaxHeader", kind, claimed)) + _padded(content)


def _record(key: bytes, value: bytes) -> bytes:
    body = b" " + key + b"=" + value + b"\n"
    length = len(body) + 1
    while length != len(body) + len(str(length)):
        length = len(body) + len(str(length))
    return str(length).encode() + body


def _padded(content: bytes) -> bytes:
    return content + bytes(-len(content) % BLOCK)


@st.composite
def _members(draw: st.DrawFn) -> bytes:
    before = b"".join(draw(st.lists(_extensions(), max_size=2))) if draw(st.integers(0, 3)) == 0 else b""
    name, kind, size = draw(_NAMES), draw(_KINDS), draw(_SIZES)
    if kind == b"5":
        size = draw(st.sampled_from([0, 0, 0, size]))
    given = min(size, 2**20 + 5) if draw(st.integers(0, 7)) else draw(st.integers(0, 2000))
    content = (draw(st.binary(min_size=1, max_size=8)) * (given // 8 + 8))[:given]
    return before + draw(_headers(name, kind, size)) + _padded(content)


@st.composite
def archives(draw: st.DrawFn) -> bytes:
    """A whole input for ``targets.archive``: a byte for the size of chunks, then the stream."""
    members = draw(st.lists(_members(), max_size=4))
    repeated = draw(st.sampled_from([1] * 40 + [500, 8000]))
    end = draw(st.sampled_from([bytes(2 * BLOCK)] * 12 + [b"", bytes(BLOCK), bytes(100), bytes(BLOCK) + b"x" * BLOCK]))
    stream = b"".join(members)[: 9 * 2**20 // repeated] * repeated + end
    return draw(st.binary(min_size=1, max_size=1)) + stream


def damaged() -> st.SearchStrategy[bytes]:
    return documents.damaged([b"\0" + one for one in corpus.ARCHIVES])
