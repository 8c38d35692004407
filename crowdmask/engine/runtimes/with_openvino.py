"""OpenVINO, the runtime of analyses on a CPU: neither TensorFlow nor Keras is needed for it."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crowdmask.engine.memory import give_memory_back
from crowdmask.engine.runtimes.network import Answers, Wanted
from crowdmask.errors import WeightsError
from crowdmask.nets.facts import Facts
from crowdmask.nets.ir import Ir, form_of, ir_of
from crowdmask.nets.openvino_library import openvino

log = logging.getLogger(__name__)
ov = openvino()

Shape = tuple[int, ...]

OFTEN = 8  # passes of one shape until it is worth the quarter of a second to compile the network for it
SMALL_PIXELS = 640 * 480
SHAPES_KEPT = 12  # the three views of four sizes of picture; about 30 MB for the largest


def compile_network(wanted: Wanted) -> OpenVinoNetwork:
    ir = ir_of(wanted.manifest, wanted.name, form_of(wanted.precision), task=wanted.task)
    return OpenVinoNetwork(ir, wanted.precision, wanted.threads, wanted.batch)


class OpenVinoNetwork:
    """One thread for each pass and several passes at once: so the number of threads changes no digit.

    A network whose pictures have one size (a classifier's) is compiled for each shape of pass that comes. One that
    takes any size runs with open sides first, because a folder of photographs may hold hundreds of sizes. For a shape
    that keeps coming, as a video's do, it is compiled anew, which makes it a tenth to a half faster; this is done only
    where both give the same bits, so that no result depends on what was analysed before.

    Compiling goes on beside other work: it begins before the first picture is there, and while a network is compiled
    for one shape, the open one does its work.
    """

    def __init__(self, ir: Ir, precision: str, threads: int, batch: int = 0) -> None:
        self._core = ov.Core()
        self._ir, self._threads = ir, threads
        self._options = {
            "INFERENCE_PRECISION_HINT": "bf16" if precision == "bfloat16" else "f32",
            "ENABLE_CPU_PINNING": False,  # worker processes would all be pinned to the same cores
        }
        self._model = self._read()
        self.facts = self._facts()
        self._open: Future[_Compiled] | None = None
        self._fixed: OrderedDict[Shape, Future[_Compiled]] = OrderedDict()
        self._seen: dict[Shape, int] = {}
        self._differs = False  # whether fixed sides give other bits than open ones on this CPU
        self._lock = threading.Lock()
        self._beside = ThreadPoolExecutor(1, "openvino-compile")
        side = self.facts.input_size
        if side is None:
            self._any_size()
        elif batch:
            self._of_one_size((batch, side, side, 3))

    def __call__(self, pictures: NDArray[np.uint8]) -> Answers:
        return self._for(pictures).result()(pictures)

    def rest(self) -> None:
        with self._lock:
            compiled = [*self._fixed.values(), *([] if self._open is None else [self._open])]
        for one in compiled:
            if one.done() and one.exception() is None:
                one.result().rest()
        give_memory_back(collect=False)

    def _for(self, pictures: NDArray[np.uint8]) -> Future[_Compiled]:
        shape = pictures.shape
        with self._lock:
            if shape in self._fixed:
                self._fixed.move_to_end(shape)
                return self._fixed[shape]
            if self.facts.input_size is not None:
                return self._of_one_size(shape)
            self._seen[shape] = self._seen.get(shape, 0) + 1
            usual = self._any_size()
            if self._seen[shape] == OFTEN and not self._differs:
                # a copy, for the caller may write the next picture to the same memory; `usual` is compiled by then, as
                # the thread is one
                self._beside.submit(self._try_fixed, pictures.copy(), usual)
            return usual

    def _any_size(self) -> Future[_Compiled]:
        if self._open is None:
            self._open = self._beside.submit(self._compiled, self._model, self._threads)
        return self._open

    def _of_one_size(self, shape: Shape) -> Future[_Compiled]:
        self._fixed[shape] = made = self._beside.submit(self._with_sides, shape)
        self._forget_oldest()
        return made

    def _try_fixed(self, pictures: NDArray[np.uint8], usual: Future[_Compiled]) -> None:
        """Compile the network for these pictures' shape, and take it from now on if it gives what the open one does."""
        shape, fixed = pictures.shape, self._with_sides(pictures.shape)
        same = _same(fixed(pictures), usual.result()(pictures))
        with self._lock:
            if same:
                made: Future[_Compiled] = Future()
                made.set_result(fixed)
                self._fixed[shape] = made
                self._forget_oldest()
                if all(known in self._fixed for known, times in self._seen.items() if times >= OFTEN):
                    self._open = None  # a size that comes seldom has it compiled again
            else:
                log.debug("%s: open sides give other bits than fixed ones here, so they stay open", self._ir.xml)
                self._differs = True
                self._fixed.clear()
        give_memory_back()

    def _forget_oldest(self) -> None:
        if len(self._fixed) > SHAPES_KEPT:
            gone, _ = self._fixed.popitem(last=False)
            self._seen.pop(gone, None)

    def _with_sides(self, shape: Shape) -> _Compiled:
        model = self._model.clone()
        model.reshape(list(shape))
        # each stream has a copy of the graph with room for what it computes: the passes of the smaller views are so
        # short that half as many take them
        few = self.facts.input_size is None and shape[1] * shape[2] < SMALL_PIXELS
        return self._compiled(model, max(1, self._threads // 2) if few else self._threads)

    def _compiled(self, model: Any, streams: int) -> _Compiled:
        options = {**self._options, "INFERENCE_NUM_THREADS": streams, "NUM_STREAMS": streams}
        return _Compiled(self._core, model, options, self.facts.outputs)

    def _read(self) -> Any:
        try:
            return self._core.read_model(self._ir.xml, self._ir.bin)
        except RuntimeError as error:
            raise WeightsError(
                f"{self._ir.xml}: OpenVINO {ov.__version__.split('-')[0]} cannot read it ({_first_line(error)}): "
                f"install the OpenVINO that setup.cfg names, or choose --runtime tensorflow"
            ) from error

    def _facts(self) -> Facts:
        try:
            return Facts.from_json(self._model.get_rt_info(["crowdmask"]).astype(str))
        except (RuntimeError, ValueError, KeyError, TypeError) as error:
            raise WeightsError(
                f"{self._ir.xml}: was not made by crowdmask: run `crowdmask weights convert`, which makes it anew"
            ) from error


class _Compiled:
    """A model compiled for one shape or any, with a request for each thread that asks at the same time."""

    def __init__(self, core: Any, model: Any, options: dict[str, Any], outputs: tuple[str, ...]) -> None:
        try:
            self._model = core.compile_model(model, "CPU", options)
        except RuntimeError as error:
            raise WeightsError(
                f"OpenVINO cannot compile {model.friendly_name} for this CPU ({_first_line(error)}): "
                "choose another --precision, or --runtime tensorflow"
            ) from error
        give_memory_back(collect=False)
        self._outputs = outputs
        self._lock = threading.Lock()
        self._free: list[Any] = []
        self._asked = 0  # passes under way

    def __call__(self, pictures: NDArray[np.uint8]) -> Answers:
        given = _writeable(pictures)  # held until the end: the tensor is its memory, and does not keep it alive
        with self._lock:
            self._asked += 1
            request = self._free.pop() if self._free else self._model.create_infer_request()
        try:
            request.set_input_tensor(ov.Tensor(given, shared_memory=True))
            request.infer()
            return {name: request.get_output_tensor(i).data.copy() for i, name in enumerate(self._outputs)}
        finally:
            with self._lock:
                self._asked -= 1
                self._free.append(request)

    def rest(self) -> None:
        """Leave the requests and what the streams compute in, unless somebody asks at this moment."""
        with self._lock:
            if not self._asked:
                self._free.clear()
                self._model.release_memory()


def _same(some: Answers, others: Answers) -> bool:
    return all(np.array_equal(values, others[name], equal_nan=True) for name, values in some.items())


def _writeable(pictures: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """OpenVINO takes no array that may not be written to, though it does not write to it."""
    contiguous = np.ascontiguousarray(pictures)
    return contiguous if contiguous.flags.writeable else contiguous.copy()


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
