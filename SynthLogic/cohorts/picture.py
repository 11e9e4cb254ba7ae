"""The picture of a subject: slices with the outlines of its labels. Numpy and zlib are enough for it."""

from __future__ import annotations

import struct
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from SynthLogic.cohorts.subject import MARK
from SynthLogic.volume import Volume

_SLICES, _COLUMNS, _MARGIN, _GAP = 8, 4, 10, 2
_TARGET_PX = 160
# Okabe and Ito's colours, which all eyes tell apart; label 1 first.
_COLOURS = ((213, 94, 0), (240, 228, 66), (0, 114, 178), (0, 158, 115), (204, 121, 167), (86, 180, 233))
# One row a string, five pixels a letter: the word must be in the picture, and no font is at hand.
_LETTERS = {
    "S": "01110 10001 10000 01110 00001 10001 01110",
    "Y": "10001 10001 01010 00100 00100 00100 00100",
    "N": "10001 11001 10101 10011 10001 10001 10001",
    "T": "11111 00100 00100 00100 00100 00100 00100",
    "H": "10001 10001 10001 11111 10001 10001 10001",
    "E": "11111 10000 10000 11110 10000 10000 11111",
    "I": "01110 00100 00100 00100 00100 00100 01110",
    "C": "01110 10001 10000 10000 10000 10001 01110",
}


def picture(image: Volume, labels: Volume) -> bytes:
    """A PNG of up to eight labelled slices from first to last, cut to the labels, marked as synthetic.

    The viewer's right is towards lower i and up is towards higher j, as short-axis slices are read; the same
    bytes come of the same voxels.

    Args:
        image: voxels (K, J, I).
        labels: uint8 on the same grid, with at least one labelled voxel.
    """
    inside = labels.array > 0
    k = np.flatnonzero(inside.any(axis=(1, 2)))
    chosen = k[np.unique(np.linspace(0, len(k) - 1, min(_SLICES, len(k))).round().astype(int))]
    rows, columns = (_range(np.asarray(inside.any(axis=axes))) for axes in ((0, 2), (0, 1)))
    low, high = np.percentile(image.array[k][:, rows, columns], (1, 99))
    shrink = max(1, -(-max(rows.stop - rows.start, columns.stop - columns.start) // _TARGET_PX))
    grow = max(1, _TARGET_PX // max(rows.stop - rows.start, columns.stop - columns.start))
    mirrored = image.ijk_to_ras[0, 0] < 0
    tiles = []
    for number in chosen:
        cut = (slice(None, None, -shrink), slice(None, None, shrink if mirrored else -shrink))
        grey = image.array[number, rows, columns][cut].astype(np.float32)
        label = labels.array[number, rows, columns][cut].repeat(grow, 0).repeat(grow, 1)
        grey = np.clip((grey - low) / max(high - low, 1e-6), 0, 1) * 255
        tiles.append(_outlined(grey.astype(np.uint8).repeat(grow, 0).repeat(grow, 1), label))
    return _png(_stamped(_sheet(tiles)))


def _range(hit: NDArray[np.bool_]) -> slice:
    found = np.flatnonzero(hit)
    return slice(max(0, int(found[0]) - _MARGIN), min(len(hit), int(found[-1]) + _MARGIN + 1))


def _outlined(grey: NDArray[np.uint8], label: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Colour each label's outermost pixels."""
    edge = np.zeros(label.shape, bool)
    for axis in (0, 1):
        for step in (1, -1):
            edge |= label != np.roll(label, step, axis)
    tile = np.repeat(grey[..., None], 3, axis=-1)
    for value in np.unique(label[label > 0]):
        tile[edge & (label == value)] = _COLOURS[(int(value) - 1) % len(_COLOURS)]
    return tile


def _sheet(tiles: list[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    height, width = tiles[0].shape[:2]
    columns = min(_COLUMNS, len(tiles))
    lines = -(-len(tiles) // columns)
    sheet = np.zeros((lines * (height + _GAP), columns * (width + _GAP), 3), np.uint8)
    for number, tile in enumerate(tiles):
        y, x = (number // columns) * (height + _GAP), (number % columns) * (width + _GAP)
        sheet[y : y + height, x : x + width] = tile
    return sheet


def _stamped(sheet: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Below the slices: SYNTHETIC."""
    word = np.hstack([_letter(c) for c in "SYNTHETIC"])
    line = np.zeros((word.shape[0] + 6, max(sheet.shape[1], word.shape[1] + 6), 3), np.uint8)
    line[3 : 3 + word.shape[0], 3 : 3 + word.shape[1]][word] = (255, 176, 0)
    wide = np.zeros((sheet.shape[0], line.shape[1], 3), np.uint8)
    wide[:, : sheet.shape[1]] = sheet
    return np.vstack([wide, line])


def _letter(letter: str) -> NDArray[np.bool_]:
    dots = np.array([[c == "1" for c in row + "0"] for row in _LETTERS[letter].split()])
    return dots.repeat(2, 0).repeat(2, 1)


def _png(pixels: NDArray[Any]) -> bytes:
    height, width = pixels.shape[:2]
    lines = np.zeros((height, width * 3 + 1), np.uint8)
    lines[:, 1:] = pixels.reshape(height, -1)

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
        + chunk(b"tEXt", b"Comment\0" + MARK.encode("ascii"))
        + chunk(b"IDAT", zlib.compress(lines.tobytes(), 3))
        + chunk(b"IEND", b"")
    )


__all__ = ["picture"]
