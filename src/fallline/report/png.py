"""Small pictures as PNG, written with the standard library alone."""

from __future__ import annotations

import base64
import struct
import zlib


def png(image: bytes, height: int, width: int, channels: int) -> bytes:
    """Bytes [height, width, channels], row after row, as a PNG file: grey of one channel, colour of three.

    Of any other number of channels the first is shown in grey. The format: ISO/IEC 15948.
    """
    if len(image) != height * width * channels or not image:
        raise ValueError(f"an image of {height} x {width} x {channels} has that many bytes, got {len(image)}")
    if channels not in (1, 3):
        image, channels = image[::channels], 1
    row = width * channels
    filtered = b"".join(b"\0" + image[start : start + row] for start in range(0, len(image), row))
    head = struct.pack(">IIBBBBB", width, height, 8, 2 if channels == 3 else 0, 0, 0, 0)
    parts = ((b"IHDR", head), (b"IDAT", zlib.compress(filtered, 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, content) for kind, content in parts)


def data_uri(picture: bytes) -> str:
    """The file as an address that a page can hold."""
    return f"data:image/png;base64,{base64.b64encode(picture).decode()}"


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
