"""Changing real files as an attacker or a bad disk would: lists of edits that hypothesis can shrink, or that a seed decides."""

import random
import re
from collections.abc import Sequence

from hypothesis import strategies as st

#: What to do, where (as a share of the file, in millionths), how much, and with what.
Edit = tuple[str, int, int, bytes]

OPERATIONS = ("flip", "overwrite", "delete", "repeat", "insert", "cut", "swap", "number")
#: Bytes that parsers take for something: ends of strings and lines, markup, escapes, sizes, lone surrogates, byte order marks.
TOKENS = (
    b"\0", b"\xff", b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff", b"\x80\0\0\0", b"\0\0\0\1", b"\xff" * 8,
    b"\n", b"\r", b"\r\n\r\n", b"\t", b'"', b"\\", b"'", b"{", b"}", b"[", b"]", b"<", b">", b"&", b",", b":", b"-->",
    b"<script>alert(1)</script>", b"<img src=x onerror=alert(1)>", b"&#0;", b"&lt;b&gt;", b"]]>",
    b"<!DOCTYPE a [<!ENTITY b 'c'>]>",
    b"\x1b[31m", b"\x1b]0;owned\x07", b"\x9b31m", b"\xc2\x9b31m", b"\\u001b[2J", b"\\ud800", b"\xed\xa0\x80", b"\xe2\x80\xae",
    b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff", b"NaN", b"Infinity", b"1e999", b"-1", b"99999999999999999999", b"00:00:00.000",
    b"null", b"true", b"[[[[[[[[", b"{}", b"../../../etc/passwd", b"file:///etc/passwd", b"http://127.0.0.1:9/x",
    b"%s%n%x", b"*a", b"&a",
)  # fmt: skip

edits: st.SearchStrategy[list[Edit]] = st.lists(
    st.tuples(
        st.sampled_from(OPERATIONS),
        st.integers(0, 999_999),
        st.integers(1, 2000),
        st.one_of(st.sampled_from(TOKENS), st.binary(min_size=1, max_size=8)),
    ),
    min_size=1,
    max_size=8,
)


def changed(data: bytes, changes: Sequence[Edit]) -> bytes:
    """`data` with the edits made, one after the other."""
    out = bytearray(data)
    for kind, place, amount, token in changes:
        at = len(out) * place // 1_000_000
        if kind == "flip" and out:
            out[at] ^= 1 << amount % 8
        elif kind == "overwrite":
            out[at : at + len(token)] = token
        elif kind == "delete":
            del out[at : at + amount]
        elif kind == "repeat":
            out[at:at] = out[at : at + amount] * (1 + amount % 3)
        elif kind == "insert":
            out[at:at] = token
        elif kind == "cut" and amount % 4 == 0:
            del out[at:]
        elif kind == "swap":
            out[at : at + amount], out[:amount] = out[:amount], out[at : at + amount]
        elif kind == "number":
            _change_number(out, at, amount, token)
    return bytes(out)


def _change_number(out: bytearray, at: int, amount: int, token: bytes) -> None:
    """Another number in the place of the next one that is written in digits."""
    found = re.search(rb"[0-9]+", out[at : at + 400])
    if found:
        new = token if token[:1].isdigit() or token[:1] == b"-" else str(amount * 7919).encode()
        out[at + found.start() : at + found.end()] = new


#: Names of MP4 boxes whose content steers the demuxer; EBML and other containers are steered by their first bytes.
_BOXES = re.compile(
    rb"stts|ctts|stsc|stsz|stco|co64|stss|elst|mdhd|mvhd|tkhd|trun|tfhd|trex|avcC|hvcC|av1C|vpcC|pasp|hdlr|stsd|moof|sidx|dref"
)


def changed_video(data: bytes, chance: random.Random) -> bytes:
    """A video file with some of its bytes changed, mostly those that tell where things are."""
    out = bytearray(data)
    places = [m.end() for m in _BOXES.finditer(out)]
    for _ in range(chance.choice((1, 1, 2, 3, 5, 10, 40))):
        where = chance.random()
        if where < 0.4 and places:
            at = chance.choice(places) + chance.randrange(64)
        elif where < 0.7:
            at = chance.randrange(min(len(out), 4096) or 1)
        else:
            at = chance.randrange(len(out) or 1)
        at = min(at, max(len(out) - 1, 0))
        kind = chance.random()
        if kind < 0.35 and out:
            out[at] ^= 1 << chance.randrange(8)
        elif kind < 0.7:
            token = (
                chance.choice(TOKENS[:8]) if chance.random() < 0.5 else chance.randbytes(chance.choice((1, 2, 4, 8)))
            )
            out[at : at + len(token)] = token
        elif kind < 0.8:
            del out[at : at + chance.choice((1, 4, 100, 5000))]
        elif kind < 0.9:
            out[at:at] = chance.randbytes(chance.choice((1, 4, 188, 1000)))
        elif kind < 0.95:
            size = chance.randrange(1, 5000)
            other = chance.randrange(len(out) or 1)
            out[at : at + size] = out[other : other + size]
        else:
            del out[max(at, 64) :]
    return bytes(out)
