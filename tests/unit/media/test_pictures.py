"""Pictures of every kind come upright in 8-bit BGR; what cannot be read or written says why."""

from __future__ import annotations

import io
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from crowdmask.errors import OutputError, SourceError
from crowdmask.media.pictures import is_picture, read_picture, write_picture
from crowdmask.media.sources import open_source
from crowdmask.records import SourceKind
from crowdmask.settings import AnalysisSettings

RED, GREEN, BLUE, WHITE = (0, 0, 255), (0, 255, 0), (255, 0, 0), (255, 255, 255)  # BGR
FORMATS = ["PNG", "JPEG", "WEBP", "BMP", "TIFF"]
ORIENTATION = 0x112


def corners_picture() -> Image.Image:
    """60x40: red, green over blue, white."""
    pixels = np.zeros((40, 60, 3), np.uint8)
    pixels[:20, :30], pixels[:20, 30:] = RED[::-1], GREEN[::-1]
    pixels[20:, :30], pixels[20:, 30:] = BLUE[::-1], WHITE[::-1]
    return Image.fromarray(pixels)


def encoded(picture: Image.Image, kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    if kind == "WEBP":
        options["lossless"] = True
    if kind == "JPEG":
        options["quality"] = 98
    picture.save(out, kind, **options)
    return out.getvalue()


def corners(image: np.ndarray) -> list[tuple[int, ...]]:
    return [tuple(image[y, x].tolist()) for y, x in ((5, 5), (5, -6), (-6, 5), (-6, -6))]


def close(found: list[tuple[int, ...]], wanted: list[tuple[int, ...]], off: int = 6) -> bool:
    return bool(np.abs(np.subtract(found, wanted)).max() <= off)


def read_bytes(data: bytes, folder: Path, name: str = "no suffix tells") -> np.ndarray:
    (folder / name).write_bytes(data)
    assert is_picture(folder / name)
    image = read_picture(folder / name)
    assert image.dtype == np.uint8
    assert image.shape[2] == 3
    assert image.flags.c_contiguous
    return image


@pytest.mark.parametrize("kind", FORMATS)
def test_formats_are_told_by_content(kind: str, tmp_path: Path) -> None:
    image = read_bytes(encoded(corners_picture(), kind), tmp_path, "wrong.mp4")
    assert image.shape == (40, 60, 3)
    assert close(corners(image), [RED, GREEN, BLUE, WHITE])


@pytest.mark.parametrize(
    ("orientation", "wanted"),
    [
        (1, [RED, GREEN, BLUE, WHITE]),
        (2, [GREEN, RED, WHITE, BLUE]),
        (3, [WHITE, BLUE, GREEN, RED]),
        (4, [BLUE, WHITE, RED, GREEN]),
        (5, [RED, BLUE, GREEN, WHITE]),
        (6, [BLUE, RED, WHITE, GREEN]),
        (7, [WHITE, GREEN, BLUE, RED]),
        (8, [GREEN, WHITE, RED, BLUE]),
    ],
)
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_exif_orientation_is_applied(
    kind: str, orientation: int, wanted: list[tuple[int, ...]], tmp_path: Path
) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    image = read_bytes(encoded(corners_picture(), kind, exif=exif), tmp_path)
    assert image.shape == ((60, 40, 3) if orientation >= 5 else (40, 60, 3))
    assert close(corners(image), wanted)


@pytest.mark.parametrize(("mode", "kind"), [("L", "JPEG"), ("L", "PNG"), ("LA", "PNG"), ("1", "PNG"), ("L", "TIFF")])
def test_grey_becomes_three_equal_channels(mode: str, kind: str, tmp_path: Path) -> None:
    image = read_bytes(encoded(corners_picture().convert(mode), kind), tmp_path)
    assert np.array_equal(image[..., 0], image[..., 1])
    assert np.array_equal(image[..., 0], image[..., 2])
    assert image.max() > 250


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_cmyk(kind: str, tmp_path: Path) -> None:
    image = read_bytes(encoded(corners_picture().convert("CMYK"), kind), tmp_path)
    assert close(corners(image), [RED, GREEN, BLUE, WHITE])


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF"])
def test_palette(kind: str, tmp_path: Path) -> None:
    image = read_bytes(encoded(corners_picture().convert("P"), kind), tmp_path)
    assert close(corners(image), [RED, GREEN, BLUE, WHITE])


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_alpha_is_dropped_and_what_it_hid_is_seen(kind: str, tmp_path: Path) -> None:
    picture = np.array(corners_picture().convert("RGBA"))
    picture[:20, :30, 3] = 0
    image = read_bytes(encoded(Image.fromarray(picture), kind, **({"exact": True} if kind == "WEBP" else {})), tmp_path)
    assert close(corners(image), [RED, GREEN, BLUE, WHITE])


@pytest.mark.parametrize("suffix", [".png", ".tiff"])
def test_sixteen_bits_keep_their_high_byte(suffix: str, tmp_path: Path) -> None:
    colour = np.array(corners_picture())[:, :, ::-1].astype(np.uint16) * 257
    image = read_bytes(cv2.imencode(suffix, colour)[1].tobytes(), tmp_path)
    assert corners(image) == [RED, GREEN, BLUE, WHITE]
    grey = np.full((40, 60), 0x8000, np.uint16)
    assert abs(int(read_bytes(cv2.imencode(suffix, grey)[1].tobytes(), tmp_path)[0, 0, 0]) - 128) <= 1


@pytest.mark.parametrize("size", [(1, 1), (1, 50), (50, 1)])
def test_smallest(size: tuple[int, int], tmp_path: Path) -> None:
    image = read_bytes(encoded(Image.new("RGB", size, (10, 20, 30)), "PNG"), tmp_path)
    assert image.shape == (size[1], size[0], 3)
    assert image[-1, -1].tolist() == [30, 20, 10]


def test_largest(tmp_path: Path) -> None:
    data = cv2.imencode(".jpg", np.full((10_000, 10_000), 77, np.uint8))[1].tobytes()
    image = read_bytes(data, tmp_path)
    assert image.shape == (10_000, 10_000, 3)
    assert image[-1, -1].tolist() == [77, 77, 77]


def test_a_picture_is_a_source_of_one_frame(tmp_path: Path) -> None:
    path = tmp_path / "ein Bild ü.jpg"
    path.write_bytes(encoded(corners_picture(), "JPEG"))
    with open_source(str(path), AnalysisSettings()) as source:
        assert source.info.kind is SourceKind.PICTURE
        assert source.info.source == str(path)
        (frame,) = source
    assert (frame.index, frame.seconds, frame.size_wh) == (0, 0.0, (60, 40))


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_a_cut_off_picture_is_an_error(kind: str, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (200, 200, 3), np.uint8)
    data = encoded(Image.fromarray(noise), kind)
    path = tmp_path / "cut.img"
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(SourceError, match=r"cut\.img.*damaged or cut off"):
        read_picture(path)


@pytest.mark.parametrize("suffix", [".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".PNG"])
def test_written_pictures_read_back(suffix: str, tmp_path: Path) -> None:
    image = np.array(corners_picture())[:, :, ::-1].copy()
    path = tmp_path / f"out ü{suffix}"
    write_picture(path, image)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    assert close(corners(read_picture(path)), [RED, GREEN, BLUE, WHITE])


def test_unwritable_pictures_say_what_to_do(tmp_path: Path) -> None:
    image = np.zeros((4, 4, 3), np.uint8)
    with pytest.raises(OutputError, match=r"out\.gif.*\.jpg.*\.tiff"):
        write_picture(tmp_path / "out.gif", image)
    with pytest.raises(OutputError, match="create it first"):
        write_picture(tmp_path / "nowhere" / "out.png", image)
    with pytest.raises(OutputError, match=r"too large.*\.png"):
        write_picture(tmp_path / "out.webp", np.zeros((1, 20_000, 3), np.uint8))
    assert list(tmp_path.iterdir()) == []
