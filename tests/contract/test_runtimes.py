"""What every runtime holds: the network's own answers, by name, the same bits however it is asked."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import keras
import numpy as np
import pytest
from numpy.typing import NDArray

from crowdmask.engine.runtimes.choosing import compiler
from crowdmask.engine.runtimes.network import Network, Wanted
from crowdmask.engine.runtimes.with_openvino import OFTEN, OpenVinoNetwork
from crowdmask.nets.anchors import AnchorGrid
from crowdmask.nets.checkpoint import arrays_of, save_weights
from crowdmask.nets.facts import Facts
from crowdmask.nets.registry import ARCHITECTURES, CLASSIFIER, DETECTOR
from crowdmask.nets.weights import Manifest, update_entry

RUNTIMES = ("openvino", "tensorflow")
SIZE = 32
ANCHORS = AnchorGrid(strides=(8, 16, 32), sizes=((6, 9), (20, 40), (80, 160)))
GRAPHS = {
    "finder": ("retinaface", {"width": 0.125, "channels": 16, "anchors": {"sizes": [[6, 9], [20, 40], [80, 160]]}}),
    "judge": ("xception", {"input_size": SIZE, "width": 0.1, "middle_blocks": 1}),
}
TASKS = {"finder": DETECTOR, "judge": CLASSIFIER}
Compile = Callable[..., Network]


@pytest.fixture(scope="module")
def models() -> dict[str, keras.Model]:
    """Small networks that have seen something: normalisation that does nothing would hide that it was forgotten."""
    keras.utils.set_random_seed(3)
    made = {}
    for name, (architecture, settings) in GRAPHS.items():
        row = ARCHITECTURES[architecture]
        made[name] = row.model(row.graph_from(settings, name))
        rng = np.random.default_rng(3)
        for layer in made[name].layers:
            if isinstance(layer, keras.layers.BatchNormalization):
                shapes = [values.shape for values in layer.get_weights()]
                layer.set_weights([rng.uniform(0.5, 1.5, shape).astype(np.float32) for shape in shapes])
    return made


@pytest.fixture(scope="module")
def folder(models: dict[str, keras.Model], tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("weights")
    for name, model in models.items():
        architecture, settings = GRAPHS[name]
        save_weights(made / f"{name}.npz", arrays_of(model), half=False)
        update_entry(name, made / f"{name}.npz", folder=made, architecture=architecture, graph=settings)
    return made


@pytest.fixture(scope="module")
def kept() -> dict[tuple[object, ...], Network]:
    """The networks that any test may ask: TensorFlow takes seconds for each."""
    return {}


@pytest.fixture(params=RUNTIMES)
def compiled(
    request: pytest.FixtureRequest,
    folder: Path,
    kept: dict[tuple[object, ...], Network],
    monkeypatch: pytest.MonkeyPatch,
) -> Compile:
    monkeypatch.setenv("CROWDMASK_CACHE", str(folder / "cache"))

    def compile_one(name: str, threads: int = 2, *, fresh: bool = False) -> Network:
        key = (request.param, name, threads)
        if fresh or key not in kept:
            wanted = Wanted(Manifest.load(folder), name, TASKS[name], "float32", threads, "cpu")
            made = compiler(request.param)(wanted)
            return made if fresh else kept.setdefault(key, made)
        return kept[key]

    return compile_one


def pictures(n: int, height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (n, height, width, 3)).astype(np.uint8)


def test_facts_are_the_graphs(compiled: Compile) -> None:
    assert compiled("judge").facts == Facts(("unmasked",), input_size=SIZE)
    assert compiled("finder").facts == Facts(("box", "face", "landmarks"), anchors=ANCHORS)


def test_bgr_pictures_in_the_graphs_own_answers_out(compiled: Compile, models: dict[str, keras.Model]) -> None:
    crops, picture = pictures(3, SIZE, SIZE), pictures(1, 64, 96)
    judged = compiled("judge")(crops)
    wanted = models["judge"](crops[..., ::-1].astype(np.float32), training=False)  # the graph takes RGB
    np.testing.assert_allclose(judged["unmasked"], np.asarray(wanted), rtol=1e-3, atol=1e-4)
    found = compiled("finder")(picture)
    for name, values in models["finder"](picture.astype(np.float32), training=False).items():
        assert found[name].dtype == np.float32
        scale = np.abs(np.asarray(values)).max()
        np.testing.assert_allclose(found[name], np.asarray(values), atol=1e-4 * scale, rtol=0)


def test_an_answer_depends_on_its_picture_alone(compiled: Compile) -> None:
    network, crops = compiled("judge"), pictures(4, SIZE, SIZE)
    forwards, backwards = network(crops)["unmasked"], network(crops[::-1])["unmasked"]
    assert np.array_equal(forwards, backwards[::-1])
    beside_others = network(np.concatenate([crops[:1], pictures(3, SIZE, SIZE, seed=9)]))["unmasked"]
    assert beside_others[0] == forwards[0]


def test_threads_change_no_bit(compiled: Compile) -> None:
    looks = [pictures(1, 64, 96, seed) for seed in range(6)]
    single = compiled("finder", threads=1)
    alone = [single(look) for look in looks]
    network = compiled("finder", threads=3)
    with ThreadPoolExecutor(6) as pool:
        together = list(pool.map(network, looks * 5))
    for i, answers in enumerate(together):
        assert all(np.array_equal(values, alone[i % 6][name]) for name, values in answers.items())


def test_what_was_asked_before_changes_no_bit(compiled: Compile) -> None:
    """Of a size that keeps coming, a runtime may make a network of its own: the answers must not show it."""
    network, fresh = compiled("finder", fresh=True), compiled("finder", fresh=True)
    answers = [network(pictures(1, 64, 96)) for _ in range(OFTEN + 3)]
    network(pictures(1, 96, 64))
    answers += [network(pictures(1, 64, 96)), fresh(pictures(1, 64, 96))]
    for later in answers[1:]:
        assert all(np.array_equal(values, answers[0][name]) for name, values in later.items())


def test_a_network_that_has_rested_answers_as_before(compiled: Compile) -> None:
    network, picture = compiled("finder"), pictures(1, 64, 96)
    network.rest()  # before it has done anything
    before, *_ = [network(picture) for _ in range(OFTEN + 3)]
    kept = {name: values.copy() for name, values in before.items()}
    network.rest()
    again = network(picture)
    for name, values in kept.items():
        assert np.array_equal(before[name], values) and np.array_equal(again[name], values)


def test_a_network_rests_while_others_ask_it(compiled: Compile) -> None:
    network, looks = compiled("finder"), [pictures(1, 64, 96, seed) for seed in range(4)]
    alone = [network(look) for look in looks]

    def ask(i: int) -> bool:
        if i % 5 == 4:
            network.rest()
        return all(np.array_equal(values, alone[i % 4][name]) for name, values in network(looks[i % 4]).items())

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(ask, range(60)))


def test_pictures_may_be_written_over_as_soon_as_they_are_answered(compiled: Compile) -> None:
    """OpenVINO compiles a network of its own for a size that keeps coming, and compares the two on a picture."""
    network, canvas = compiled("finder"), pictures(1, 64, 96)
    for seed in range(OFTEN + 3):
        canvas[:] = pictures(1, 64, 96, seed)
        network(canvas)
    if isinstance(network, OpenVinoNetwork):
        begun_beside = network._beside.submit(int)  # which is done when all before it is
        while not begun_beside.done():
            canvas += 1
        assert canvas.shape in network._fixed


def test_pictures_are_not_written_to_and_may_be_read_only(compiled: Compile) -> None:
    picture = pictures(1, 64, 64)
    before = picture.copy()
    picture.flags.writeable = False
    network = compiled("finder")
    network(picture)
    assert np.array_equal(picture, before)
    turned = np.ascontiguousarray(picture[:, ::-1])[:, ::-1]  # the same pixels, not in the order of the memory
    assert np.array_equal(network(turned)["face"], network(picture)["face"])


def test_answers_stay_as_they_were_given(compiled: Compile) -> None:
    network = compiled("finder")
    first = network(pictures(1, 64, 64))
    kept = {name: values.copy() for name, values in first.items()}
    network(pictures(1, 64, 64, seed=5))
    assert all(np.array_equal(values, kept[name]) for name, values in first.items())


def test_damaged_numbers_come_through_and_are_not_hidden(
    compiled: Compile, models: dict[str, keras.Model], folder: Path
) -> None:
    """The engine refuses them by name; a runtime that made zeros of them would hide the damage."""
    arrays = arrays_of(models["judge"])
    arrays["logit/kernel"] = np.full_like(arrays["logit/kernel"], np.nan)
    whole = (folder / "judge.npz").read_bytes()
    save_weights(folder / "judge.npz", arrays, half=False)
    update_entry("judge", folder / "judge.npz", folder=folder)
    try:
        assert np.isnan(compiled("judge", fresh=True)(pictures(2, SIZE, SIZE))["unmasked"]).all()
    finally:
        (folder / "judge.npz").write_bytes(whole)
        update_entry("judge", folder / "judge.npz", folder=folder)
