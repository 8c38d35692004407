"""What is read of a picture beside its pixels: orientation, how many it holds, damage that decoders pass over."""

from __future__ import annotations

import io
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from crowdmask.errors import SourceError
from crowdmask.media.picture_kinds import jpeg_orientation, pictures_in
from crowdmask.media.pictures import PictureSource, decode_with_doubts, is_picture, read_picture
from crowdmask.media.sources import open_source
from crowdmask.settings import AnalysisSettings
from tests.factories import make_image

SIZE = (96, 64)


def saved(kind: str, count: int = 1, **options: object) -> bytes:
    images = [Image.fromarray(make_image(i, SIZE)[:, :, ::-1]) for i in range(count)]
    out = io.BytesIO()
    more = {"save_all": True, "append_images": images[1:]} if count > 1 else {}
    images[0].save(out, kind, **more, **options)
    return out.getvalue()


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("order", ["little", "big"])
def test_every_orientation_of_a_jpeg_is_as_opencv_has_it(orientation: int, order: str) -> None:
    exif = Image.Exif()
    exif.endian = "<" if order == "little" else ">"
    exif[0x0110] = "a camera"
    exif[0x0112] = orientation
    data = saved("JPEG", exif=exif.tobytes())
    assert jpeg_orientation(data) == orientation
    array = np.frombuffer(data, np.uint8)
    image, doubts = decode_with_doubts(array, "in.jpg")
    assert doubts == ()
    assert np.array_equal(image, cv2.imdecode(array, cv2.IMREAD_COLOR))


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
@pytest.mark.parametrize("subsampling", [0, 1, 2])
@pytest.mark.parametrize("progressive", [False, True])
def test_jpeg_has_the_same_pixels_as_by_opencv(mode: str, subsampling: int, progressive: bool) -> None:
    out = io.BytesIO()
    picture = Image.fromarray(make_image(3, (161, 97))[:, :, ::-1]).convert(mode)
    picture.save(
        out, "JPEG", quality=85, progressive=progressive, **({} if mode == "L" else {"subsampling": subsampling})
    )
    array = np.frombuffer(out.getvalue(), np.uint8)
    image, doubts = decode_with_doubts(array, "in.jpg")
    assert doubts == ()
    assert np.array_equal(image, cv2.imdecode(array, cv2.IMREAD_COLOR))


def test_a_zeroed_sector_is_said(tmp_path: Path) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (240, 320, 3)).astype(np.uint8)
    data = bytearray(cv2.imencode(".jpg", noise)[1].tobytes())
    middle = len(data) // 2
    data[middle : middle + 512] = bytes(512)
    (tmp_path / "in.jpg").write_bytes(data)
    with PictureSource(str(tmp_path / "in.jpg")) as source:
        (frame,) = source
        (gap,) = source.gaps
    assert frame.size_wh == (320, 240)
    assert gap.reason.startswith("the picture is damaged (Corrupt JPEG data")


@pytest.mark.parametrize(
    ("kind", "count", "options"),
    [
        ("PNG", 3, {}),
        ("WEBP", 3, {"lossless": True}),
        ("TIFF", 3, {}),
        ("PNG", 1, {}),
        ("WEBP", 1, {}),
        ("TIFF", 1, {}),
        ("JPEG", 1, {}),
        ("BMP", 1, {}),
    ],
)
def test_what_holds_several_pictures_is_said(kind: str, count: int, options: dict[str, object], tmp_path: Path) -> None:
    data = saved(kind, count, **options)
    assert pictures_in(data) == count
    path = tmp_path / f"in.{kind.lower()}"
    path.write_bytes(data)
    with PictureSource(str(path)) as source:
        reasons = [gap.reason for gap in source.gaps]
    assert reasons == ([] if count == 1 else ["it holds 3 pictures: only the first was analysed"])


@pytest.mark.parametrize("cut", [4, 9, 20, 60])
@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF", "JPEG"])
def test_what_is_cut_short_is_no_crash(kind: str, cut: int) -> None:
    data = saved(kind)[:cut]
    assert pictures_in(data) in (0, 1)
    assert jpeg_orientation(data) == 1


def test_avif_is_a_picture(tmp_path: Path) -> None:
    (tmp_path / "in.avif").write_bytes(saved("AVIF", quality=95))
    assert is_picture(tmp_path / "in.avif")
    assert np.abs(read_picture(tmp_path / "in.avif").astype(int) - make_image(0, SIZE)).mean() < 6


def test_heic_is_refused_with_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "in.heic").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(500))
    with pytest.raises(SourceError, match=r"in\.heic is a HEIF picture.*save it as JPEG"):
        open_source(str(tmp_path / "in.heic"), AnalysisSettings())
