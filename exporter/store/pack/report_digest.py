"""Hashes a report by what its compressed curves contain.

Two builds of zlib compress the same bytes differently, so a report that is made again on another
computer may differ in nothing but that.
"""

import base64
import binascii
import hashlib
import re
import zlib
from collections.abc import Iterable
from typing import Final

_LARGEST: Final = 256 * 2**20
"""Bytes of a report, and of its curves, that are compared like this; a report has less than 100 MB.
Of a larger one the bytes are compared."""

_CURVES: Final = re.compile(rb'(<script type="text/plain" id="block[0-9]+">)([A-Za-z0-9+/=]*)<')


def report_digest(content: Iterable[bytes]) -> str:
    """Hash a report that may come from anyone; equal if the curves are, however compressed."""
    pieces, size = [], 0
    digest = hashlib.sha256()
    blocks = iter(content)
    for block in blocks:
        pieces.append(block)
        size += len(block)
        if size > _LARGEST:
            for piece in (*pieces, *blocks):
                digest.update(piece)
            return digest.hexdigest()
    text, at, room = b"".join(pieces), 0, _LARGEST
    for match in _CURVES.finditer(text):
        curves = _unpacked(match[2], room)
        if curves is not None:
            digest.update(text[at : match.end(1)])
            digest.update(hashlib.sha256(curves).digest())
            at, room = match.end(2), room - len(curves)
    digest.update(text[at:])
    return digest.hexdigest()


def _unpacked(block: bytes, room: int) -> bytes | None:
    """Decompress curves; None if they are not exactly one gzip, or too large."""
    try:
        packed = base64.b64decode(block, validate=True)
        unpacker = zlib.decompressobj(31)
        curves = unpacker.decompress(packed, max(room, 1))
    except (binascii.Error, zlib.error):
        return None
    return curves if unpacker.eof and not unpacker.unused_data else None
