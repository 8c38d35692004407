"""The only types that cross rooms: what a source tells of itself, a frame, its faces, and the verdicts on them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from enum import Enum
from fractions import Fraction
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from crowdmask.geometry import Rectangle, empty_boxes
from crowdmask.verdicts import Counts, Outcome, Verdict

__all__ = [
    "NO_STREAM",
    "Counts",
    "Faces",
    "Frame",
    "FrameResult",
    "Gap",
    "Look",
    "SourceKind",
    "Stream",
    "Verdict",
    "VideoInfo",
]


class SourceKind(str, Enum):
    VIDEO = "video"
    PICTURE = "picture"
    STREAM = "stream"


@dataclass(frozen=True)
class VideoInfo:
    """What a source says of itself before the first frame; sizes are of the upright frame."""

    source: str
    kind: SourceKind
    width: int
    height: int
    rate: Fraction | None = None  # average frames per second; None for pictures and where the file does not tell
    time_base: Fraction | None = None  # of the time stamps, so that a writer can give them back unrounded
    frames_expected: int | None = None  # an estimate: the container's word or duration x rate
    duration_s: float | None = None
    rotation: int = 0  # degrees counter-clockwise that were applied to make the frame upright
    codec: str = ""
    has_audio: bool = False
    pixel_aspect: Fraction = Fraction(1)  # width : height of a pixel of the stored picture, before any rotation
    colour: tuple[int, int, int] = (2, 2, 2)  # primaries, transfer, matrix of the frames (ITU-T H.273); 2 is unknown
    ends_at_s: float | None = None  # end of the part that settings choose; None is the source's own
    starts_at_s: float = 0.0  # where the container's own clock stands at second zero, to keep sound in step


@dataclass(frozen=True)
class Gap:
    """A stretch of the input that was not analysed, and why."""

    after_frame: int | None  # index of the last good frame before it; None at the very start
    seconds: float | None
    reason: str


@dataclass(frozen=True)
class Stream:
    """Where a frame comes from: a recording, a still or a live view, its camera, and the clock at its second zero."""

    source: str = ""  # the input as it is shown and written down
    kind: SourceKind = SourceKind.VIDEO
    camera: str = ""
    starts_at: datetime | None = None  # with a time zone
    timed_by: str = ""  # what `starts_at` was read from: exif, container, name or file

    def __post_init__(self) -> None:
        if self.starts_at is not None and self.starts_at.utcoffset() is None:
            raise ValueError(f"starts_at must have a time zone, {self.starts_at.isoformat()} has none")

    def taken_at(self, seconds: float) -> datetime | None:
        """When a frame was taken; None where nothing says it."""
        if self.starts_at is None:
            return None
        # in UTC: what is added to a local time is added to the face of its clock, which a clock change turns back
        return (self.starts_at.astimezone(timezone.utc) + timedelta(seconds=seconds)).astimezone(self.starts_at.tzinfo)


NO_STREAM = Stream()
ZONE, LINE = "zone:", "line:"  # before the names of zones and lines in FrameResult.columns


class Undeveloped(Protocol):
    """A picture of which BGR is made when somebody asks for it, and once: of most frames of a video nobody does."""

    @property
    def shape(self) -> tuple[int, ...]: ...
    def bgr(self) -> NDArray[np.uint8]:
        """The whole of it, upright."""
        ...

    def part(self, place: Rectangle) -> NDArray[np.uint8]:
        """The pixels that `bgr` has at a place, which need not make the rest of it."""
        ...

    def grey(self, size_wh: tuple[int, int]) -> NDArray[np.uint8] | None:
        """A small grey copy, upright; None where that is no cheaper than making it of `bgr`."""
        ...


Picture = NDArray[np.uint8] | Undeveloped


def part_of(picture: Picture, place: Rectangle) -> NDArray[np.uint8]:
    """BGR of a place of a picture, as its whole has it."""
    if not isinstance(picture, np.ndarray):
        return picture.part(place)
    x1, y1, x2, y2 = place
    return picture[y1:y2, x1:x2]


def whole_of(picture: Picture) -> NDArray[np.uint8]:
    """All of a picture in BGR."""
    return picture if isinstance(picture, np.ndarray) else picture.bgr()


@dataclass(frozen=True)
class Frame:
    """One decoded, upright picture."""

    index: int
    seconds: float
    picture: Picture  # `image`, or what it is made of
    lasts_s: float | None = None  # how long it is shown, where the stream says
    stream: Stream = NO_STREAM
    stored: object | None = None  # the picture as it was decoded, where a writer can go on from that

    def without_picture(self) -> Frame:
        """The same place in the stream, and its size; `image` is a blank that takes no memory."""
        return replace(self, picture=np.broadcast_to(np.uint8(0), self.picture.shape), stored=None)

    @property
    def image(self) -> NDArray[np.uint8]:
        """The picture, (h, w, 3) uint8 BGR; it is never written to."""
        return whole_of(self.picture)

    @property
    def has_picture(self) -> bool:
        return not isinstance(self.picture, np.ndarray) or any(self.picture.strides)

    @property
    def size_wh(self) -> tuple[int, int]:
        return self.picture.shape[1], self.picture.shape[0]

    def __repr__(self) -> str:
        width, height = self.size_wh
        return f"Frame({self.index}, seconds={self.seconds:g}, {width}x{height}, {self.stream.source!r})"


@dataclass(frozen=True)
class Faces:
    """The faces of one picture: boxes (n, 4) in its pixels, scores (n,), landmarks (n, 5, 2)."""

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    landmarks: NDArray[np.float32]

    def __post_init__(self) -> None:
        n = len(self.boxes)
        for name, array, shape in (
            ("boxes", self.boxes, (n, 4)),
            ("scores", self.scores, (n,)),
            ("landmarks", self.landmarks, (n, 5, 2)),
        ):
            if array.shape != shape:
                raise ValueError(f"Faces.{name} must have the shape {shape}, it has {array.shape}")

    def __len__(self) -> int:
        return len(self.boxes)

    def __repr__(self) -> str:
        return f"Faces({len(self)})"

    @classmethod
    def none(cls) -> Faces:
        return cls(empty_boxes(), np.zeros(0, np.float32), np.zeros((0, 5, 2), np.float32))

    def take(self, indices: NDArray[np.intp] | NDArray[np.bool_]) -> Faces:
        return Faces(self.boxes[indices], self.scores[indices], self.landmarks[indices])


@dataclass(frozen=True)
class Look:
    """What the networks saw of one frame, before anything is concluded from it; needs no picture to be kept."""

    frame: Frame
    faces: Faces  # all finds, those too weak to be shown too
    probabilities: NDArray[np.float32]  # (n, outcomes) in the order of Outcome; NaN where a find was not judged
    sharpness: NDArray[np.float32]  # (n,) 0 to 1; NaN likewise
    looked: bool = True  # False: the detector did not look at this frame, which says nothing of who is in it
    camera: NDArray[np.float64] | None = None  # (2, 3) from pixels of the frame before; None: it stands

    def __post_init__(self) -> None:
        n = len(self.faces)
        for name, shape in (("probabilities", (n, len(Outcome))), ("sharpness", (n,))):
            if getattr(self, name).shape != shape:
                raise ValueError(f"Look.{name} must have the shape {shape}, it has {getattr(self, name).shape}")

    def without_picture(self) -> Look:
        return replace(self, frame=self.frame.without_picture())


@dataclass(frozen=True)
class LeftOut:
    """Finds of one frame that are in no count, as the classifier takes them for no face."""

    faces: Faces
    no_face_prob: NDArray[np.float32]  # (n,)


@dataclass(frozen=True)
class FrameResult:
    """A frame with its faces judged: `unmasked_prob` (n,) is NaN where a face was not judged, such as one too small.

    It is the probability of all that counts against the compliance. `columns` are what further stages know of each
    face, by name.
    """

    frame: Frame
    faces: Faces
    unmasked_prob: NDArray[np.float32]
    verdicts: NDArray[np.int8]  # values of Verdict, (n,)
    columns: Mapping[str, NDArray[np.generic]] = field(default_factory=dict)
    no_faces: int = 0  # finds that the classifier took for no face, which are left out
    separate: bool = False  # whether masks wrongly worn are in no rate
    left_out: LeftOut | None = None  # those finds, where they are kept

    def __post_init__(self) -> None:
        n = len(self.faces)
        for name, array in (("unmasked_prob", self.unmasked_prob), ("verdicts", self.verdicts)):
            if array.shape != (n,):
                raise ValueError(f"FrameResult.{name} must have the shape ({n},), it has {array.shape}")
        for name, column in self.columns.items():
            if len(column) != n:
                raise ValueError(f"the column {name} must have {n} rows, it has {len(column)}")

    def with_columns(self, **columns: NDArray[np.generic]) -> FrameResult:
        """The same with further columns; none that is there is replaced."""
        twice = self.columns.keys() & columns.keys()
        if twice:
            raise ValueError(f"the column {sorted(twice)[0]} is there already")
        return replace(self, columns={**self.columns, **columns})

    def with_picture(self, frame: Frame) -> FrameResult:
        """The same with the picture of its frame, decoded once more."""
        if (frame.index, frame.size_wh) != (self.frame.index, self.frame.size_wh):
            raise ValueError(f"frame {frame.index} is not frame {self.frame.index}, of which the result is")
        return replace(self, frame=replace(frame, stream=self.frame.stream))

    @property
    def zones(self) -> dict[str, NDArray[np.bool_]]:
        """Of each zone of the camera which faces stand in it, (n,)."""
        return {name[len(ZONE) :]: array != 0 for name, array in self.columns.items() if name.startswith(ZONE)}

    @property
    def crossings(self) -> dict[str, NDArray[np.int8]]:
        """Of each line of the camera who has crossed it with this frame, (n,): 1 in, -1 out, 0 nobody."""
        found = ((name, array) for name, array in self.columns.items() if name.startswith(LINE))
        return {name[len(LINE) :]: array.astype(np.int8) for name, array in found}

    def __repr__(self) -> str:
        return f"FrameResult(frame={self.frame.index}, seconds={self.frame.seconds:g}, {self.counts.in_words})"

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers and words, ready for JSON; a probability that is not known is None."""
        zones = self.zones
        faces = [
            {
                "box_xyxy": [round(float(edge), 2) for edge in box],
                "score": None if np.isnan(score) else round(float(score), 4),
                "unmasked_prob": None if np.isnan(probability) else round(float(probability), 4),
                "verdict": Verdict(verdict).word,
                **({"zones": [name for name, inside in zones.items() if inside[face]]} if zones else {}),
            }
            for face, (box, score, probability, verdict) in enumerate(
                zip(self.faces.boxes, self.faces.scores, self.unmasked_prob, self.verdicts, strict=True)
            )
        ]
        return {
            "source": self.frame.stream.source,
            "frame": self.frame.index,
            "time_s": round(self.frame.seconds, 6),
            "counts": self.counts.by_word,
            "faces": faces,
        }

    @property
    def counts(self) -> Counts:
        return self.counts_where(slice(None))

    def counts_where(self, faces: NDArray[np.bool_] | slice) -> Counts:
        """Of some of the faces."""
        return Counts(*np.bincount(self.verdicts[faces], minlength=len(Verdict)).tolist(), separate=self.separate)
