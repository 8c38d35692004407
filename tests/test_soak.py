"""A batch that is killed at random moments leaves what one in peace leaves; benchmarks/soak.py kills more often."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.soak import make_inputs, soak


@pytest.mark.parametrize(
    "options",
    [("--detections", "detections.csv"), ("--aggregate", "20m", "--min-count", "3")],
    ids=["all", "aggregate"],
)
def test_a_batch_survives_kills(tmp_path: Path, options: tuple[str, ...]) -> None:
    make_inputs(tmp_path / "in", stills=60, videos=2, frames=12)
    result = soak(tmp_path / "in", tmp_path, 3, seed=7, fakes=True, fake_ms=30.0, options=options)
    assert len(result.kills) == 3, f"the batch was too fast to be killed ({result.undisturbed_s:.1f} s)"
    assert result.differing == []
    if "--aggregate" in options:
        assert result.compared == ["aggregate.csv"]
    else:
        assert {"frames.csv", "detections.csv", "videos/cam1/video0.mp4.csv"} <= set(result.compared)
        assert any(name.startswith("annotated/") for name in result.compared)
    assert any(0 < kill.done < 62 for kill in result.kills), "no kill found the batch at work"
