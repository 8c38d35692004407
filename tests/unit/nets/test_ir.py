"""OpenVINO's form on the disk: missing, damaged or of other weights is one line with the remedy."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from crowdmask.errors import SettingsError, WeightsError
from crowdmask.nets import ir
from crowdmask.nets.ir import FLOAT, INT8, described, ir_of
from crowdmask.nets.weights import Manifest, shipped_folder, update_entry

NAME, TASK = "judge", "classifier"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Weights with their form beside them; what is in the files does not matter here."""
    monkeypatch.setenv("CROWDMASK_CACHE", str(tmp_path / "cache"))
    made = tmp_path / "weights"
    made.mkdir()
    for suffix in (".npz", ".xml", ".bin"):
        (made / f"{NAME}{suffix}").write_bytes(f"whole {suffix}".encode())
    entry = update_entry(NAME, made / f"{NAME}.npz", folder=made, architecture="xception")
    files = described({f"{NAME}{suffix}": made / f"{NAME}{suffix}" for suffix in (".xml", ".bin")})
    update_entry(NAME, made / f"{NAME}.npz", folder=made, openvino={FLOAT: {"files": files, "of": entry.sha256}})
    return made


def found(folder: Path, kind: str = FLOAT) -> ir.Ir:
    return ir_of(Manifest.load(folder), NAME, kind, task=TASK)


def test_whole_files_are_found(folder: Path) -> None:
    form = found(folder)
    assert (form.xml, form.bin) == (folder / f"{NAME}.xml", folder / f"{NAME}.bin")
    assert form.sha256 == ir.listed_sha256(Manifest.load(folder).entry(NAME), FLOAT)


@pytest.mark.parametrize("suffix", [".xml", ".bin"])
def test_a_missing_file_is_named_with_the_remedy(folder: Path, suffix: str) -> None:
    (folder / f"{NAME}{suffix}").unlink()
    with pytest.raises(
        WeightsError, match=rf"{NAME}\{suffix}: .*missing: run `crowdmask weights convert {NAME} --folder"
    ):
        found(folder)


@pytest.mark.parametrize("suffix", [".xml", ".bin"])
@pytest.mark.parametrize("damage", [b"", b"whole .xmk", b"other by length"])
def test_a_damaged_file_is_named_with_the_remedy(folder: Path, suffix: str, damage: bytes) -> None:
    (folder / f"{NAME}{suffix}").write_bytes(damage)
    with pytest.raises(WeightsError, match=rf"{NAME}\{suffix}: .*damaged .*: run `crowdmask weights convert"):
        found(folder)


def test_a_form_of_other_weights_is_refused(folder: Path) -> None:
    (folder / f"{NAME}.npz").write_bytes(b"trained anew")
    update_entry(NAME, folder / f"{NAME}.npz", folder=folder)
    with pytest.raises(WeightsError, match=rf"{NAME}\.xml: was made of other weights than {NAME}\.npz .*convert"):
        found(folder)


def test_damaged_weights_are_named_though_their_form_is_whole(folder: Path) -> None:
    (folder / f"{NAME}.npz").write_bytes(b"swapped ..")
    with pytest.raises(WeightsError, match=rf"{NAME}\.npz: the weights of {NAME} are damaged"):
        found(folder)


@pytest.mark.parametrize(
    "listed", [{}, {"of": "x"}, {"files": {"a.xml": {}}, "of": "x"}, {"files": [], "of": "x"}, "no"]
)
def test_a_damaged_entry_is_named(folder: Path, listed: object) -> None:
    path = folder / "manifest.json"
    content = json.loads(path.read_text())
    content["networks"][NAME]["openvino"][FLOAT] = listed
    path.write_text(json.dumps(content))
    with pytest.raises(WeightsError, match="manifest's OpenVINO form of judge is damaged"):
        found(folder)


def test_int8_where_there_is_none_is_refused(folder: Path) -> None:
    remedy = rf"`crowdmask weights convert {NAME} --folder {folder} --int8 --calibrate-on \w+`"
    with pytest.raises(
        WeightsError, match=rf"no int8 form of judge in .*: make it \({remedy}\), or choose another --precision"
    ):
        found(folder, INT8)


def test_a_damaged_int8_form_is_made_anew_as_such(folder: Path) -> None:
    """Converting alone makes the float form, and drops an int8 one."""
    entry = Manifest.load(folder).entry(NAME)
    forms = {**entry.openvino, INT8: {**entry.openvino[FLOAT]}}
    update_entry(NAME, folder / f"{NAME}.npz", folder=folder, openvino=forms)
    (folder / f"{NAME}.bin").unlink()
    with pytest.raises(WeightsError, match=r"missing: run `crowdmask weights convert .* --int8 --calibrate-on \w+`"):
        found(folder, INT8)


def test_on_a_cpu_on_which_tensorflow_would_crash_no_form_is_made(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    update_entry(NAME, folder / f"{NAME}.npz", folder=folder, openvino={})
    monkeypatch.setattr("crowdmask.nets.cpu.lacks_avx2", lambda: True)
    with pytest.raises(SettingsError, match=r"needs a CPU with AVX2 .*: run `crowdmask weights convert .* on another"):
        found(folder)


def test_what_ships_is_brought_back_by_reinstalling(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = tmp_path / "shipped"
    shutil.copytree(shipped_folder(), copy)
    monkeypatch.setattr("crowdmask.nets.weights.shipped_folder", lambda: copy)
    (copy / "xception.bin").unlink()
    with pytest.raises(WeightsError, match=r"xception\.bin: .*missing: reinstall crowdmask"):
        ir_of(Manifest.load(), "xception", FLOAT)


class TestMadeInTheCache:
    """Weights that came without any form."""

    @pytest.fixture
    def bare(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        from crowdmask.nets.checkpoint import arrays_of, save_weights
        from crowdmask.nets.xception import XceptionGraph, build_xception

        monkeypatch.setenv("CROWDMASK_CACHE", str(tmp_path / "cache"))
        made = tmp_path / "bare"
        made.mkdir()
        graph = {"input_size": 32, "width": 0.05, "middle_blocks": 0}
        save_weights(made / f"{NAME}.npz", arrays_of(build_xception(XceptionGraph(**graph))), half=True)  # type: ignore[arg-type]
        update_entry(NAME, made / f"{NAME}.npz", folder=made, architecture="xception", graph=graph)
        return made

    def test_once_and_anew_where_it_was_damaged(self, bare: Path, caplog: pytest.LogCaptureFixture) -> None:
        form = found(bare)
        assert "making OpenVINO's form of judge once" in caplog.text
        assert not list(form.xml.parent.parent.glob("*.part*"))
        made_at = form.xml.stat().st_mtime_ns
        assert found(bare) == form
        assert form.xml.stat().st_mtime_ns == made_at
        whole = form.bin.read_bytes()
        form.bin.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
        assert found(bare).bin.read_bytes() == whole
        assert "damaged and is made anew" in caplog.text
        assert not list(bare.glob("*.xml"))  # somebody's own folder is not written to

    def test_other_weights_and_other_graph_settings_get_their_own(self, bare: Path) -> None:
        first = found(bare)
        update_entry(
            NAME, bare / f"{NAME}.npz", folder=bare, graph={"input_size": 48, "width": 0.05, "middle_blocks": 0}
        )
        assert found(bare).xml != first.xml

    def test_without_tensorflow_it_says_so(self, bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(__import__("sys").modules, "crowdmask.nets.converting", None)
        with pytest.raises(WeightsError, match="came without OpenVINO's form, and making it needs TensorFlow"):
            found(bare)

    def test_a_cache_that_cannot_be_written_is_named(
        self, bare: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "file").write_text("in the way")
        monkeypatch.setenv("CROWDMASK_CACHE", str(tmp_path / "file"))
        with pytest.raises(WeightsError, match=r"cannot be written .*CROWDMASK_CACHE"):
            found(bare)


def test_only_what_is_half_precision_already_is_stored_as_such() -> None:
    """By hand: 0.1 is no half, a quarter is; single precision stays where rounding would move a number."""
    import openvino as ov
    from openvino import opset13 as ops

    from crowdmask.nets.converting import _halve

    taken = ops.parameter([8], np.float32)
    halves, tenths = np.full(8, 0.25, np.float32), np.full(8, 0.1, np.float32)
    model = ov.Model([ops.add(ops.multiply(taken, halves), tenths)], [taken])
    _halve(model)
    kinds = sorted(
        node.get_element_type().to_string() for node in model.get_ops() if node.get_type_name() == "Constant"
    )
    assert kinds == ["f16", "f32"]
    answer = ov.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})(np.ones(8, np.float32))[0]
    assert np.array_equal(answer, halves + tenths)
