"""Fixtures every test may use: short synthetic clips, made once per run."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.factories import write_clip

settings.register_profile("shared machines", deadline=None)  # how long an example takes is no property of the code
settings.load_profile("shared machines")


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What analyses keep for the next one stays out of the user's cache, and out of that of tests beside these."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CROWDMASK_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for clips that several tests read and none writes to."""
    return tmp_path_factory.mktemp("clips")


@pytest.fixture(scope="session")
def clip(clips: Path) -> Path:
    """25 frames of 96x64 at 25 fps with sound; B-frames, a keyframe every 12."""
    return Path(write_clip(clips / "plain.mp4", audio="aac"))


@pytest.fixture(scope="module", autouse=True)
def old_objects_apart() -> None:
    """A video's end collects all garbage: milliseconds in a process of its own, a second beside TensorFlow here."""
    gc.collect()
    gc.freeze()
