"""The executor that works on a Ray cluster: an actor for each share of cores, on whatever machine it may be.

Ray does a unit at most once, for neither actors nor their tasks are tried again by it; what is lost comes back to the
driver as broken, and the manifest, which only the driver writes, makes exactly once of it. Inputs and run folder lie on
a file system that all machines share under the same paths; each actor proves it before it takes its first unit.
"""

from __future__ import annotations

import os
import secrets
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from typing_extensions import Self

from crowdmask.errors import CrowdmaskError, OutputError, SettingsError
from crowdmask.jobs.batch.executors import IN_HAND, Crew, EndingStop, Member
from crowdmask.jobs.batch.units import Broken, Done, Plan, Unit
from crowdmask.jobs.batch.worker import Worker
from crowdmask.jobs.forecast import Beat
from crowdmask.jobs.networks import Networks
from crowdmask.jobs.stopping import Stop, handlers_kept
from crowdmask.media.parts import writing
from crowdmask.results.run_folder import RunFolder

CORES_EACH = 4  # of an actor, where --threads does not say it
BEAT_S = 1.0
LOOK_FOR_CORES_S = 10.0  # machines may join the cluster while the batch works


class ClusterWorker:
    """What runs as an actor: a `Worker` that does one unit after the other, and fetches the next meanwhile."""

    def __init__(self, plan: Plan, networks: Networks, proof: str, word: str) -> None:
        _check_shared(plan, Path(proof), word)
        self._asked = threading.Event()
        self._beats: deque[Beat] = deque()
        self._worker = Worker(plan, networks, EndingStop(self._asked.is_set), self._beats.append)
        self._lock = threading.Lock()

    def ready(self) -> str:
        return socket.gethostname()

    def do(self, unit: Unit) -> Done:
        self._worker.fetch(unit)
        with self._lock:
            return self._worker.do(unit)

    def beats(self) -> list[Beat]:
        """What it did since it was last asked."""
        return [self._beats.popleft() for _ in range(len(self._beats))]

    def stop(self) -> None:
        self._asked.set()


def _check_shared(plan: Plan, proof: Path, word: str) -> None:
    """Raise OutputError unless what the driver wrote is read here, and what is written here can be read there."""
    host = socket.gethostname()
    remedy = "put inputs and --out-dir on a file system that all machines of the cluster share, under the same path"
    try:
        read = proof.read_text()
    except OSError as error:
        raise OutputError(f"{host} cannot read {proof} ({error.strerror}): {remedy}") from error
    if read != word:
        raise OutputError(f"{host} reads something else in {proof} than what was written: {remedy}")
    if not os.path.exists(plan.root):
        raise OutputError(f"{host} does not see {plan.root}: {remedy}")
    with writing(proof):
        proof.with_name(f"{proof.name}.{host}.{os.getpid()}").write_text(word)


class Cluster:
    """An `Executor` of as many actors as the cluster has room for, or of `--workers`."""

    def __init__(
        self, plan: Plan, networks: Networks, stop: Stop, beat: Callable[[Beat], None] = lambda beat: None
    ) -> None:
        self._ray = _ray()
        self._cores = plan.runtime.threads or CORES_EACH
        self._most = plan.batch.workers if plan.batch.workers > 1 else None
        self._plan, self._networks, self._stop = plan, networks, stop
        self._crew = Crew[Any](stop)
        self._refs: dict[Any, tuple[Member[Any], Unit]] = {}
        self._beat, self._asked, self._heard = beat, list[Any](), 0.0
        self._room, self._looked = 0, -LOOK_FOR_CORES_S
        self._word = secrets.token_hex(16)
        self._proof = RunFolder(plan.run).log / f"shared-{self._word[:8]}"
        self._was_connected = bool(self._ray.is_initialized())

    def __enter__(self) -> Self:
        if not self._was_connected:
            address = self._plan.batch.cluster
            try:
                # Ray takes SIGTERM for itself, and would end the batch in the midst of its work
                with handlers_kept():
                    self._ray.init(address=address, log_to_driver=False, configure_logging=False)
            except Exception as error:  # Ray has many ways to say that there is none
                raise SettingsError(
                    f"no Ray cluster answers at {address} ({str(error).splitlines()[0]}): start one with "
                    "`ray start --head`, or set RAY_AUTH_MODE=token where it asks for one, see docs/cluster.md"
                ) from error
        self._cores = min(self._cores, max(1, int(self._ray.cluster_resources().get("CPU", 1))))
        with writing(self._proof):
            self._proof.parent.mkdir(parents=True, exist_ok=True)
            self._proof.write_text(self._word)
        return self

    def __exit__(self, *error: object) -> None:
        for actor in self._crew.members:
            with suppress(Exception):
                self._ray.kill(actor.handle)
        for file in self._proof.parent.glob(f"{self._proof.name}*"):
            with suppress(OSError):
                file.unlink()
        if not self._was_connected:
            self._ray.shutdown()

    @property
    def in_hand(self) -> int:
        return len(self._refs)

    def fits(self, unit: Unit) -> bool:
        return self._has_room or self._crew.free_for(unit, has_room=False) is not None

    def put(self, unit: Unit) -> None:
        actor = self._crew.free_for(unit, has_room=self._has_room) or self._start()
        actor.units.append(unit)
        self._refs[actor.handle.do.remote(unit)] = actor, unit

    def take(self, wait_s: float) -> Sequence[Done | Broken]:
        if not self._refs:
            time.sleep(wait_s)
            return ()
        if self._stop.asked:
            for actor in self._crew.members:
                actor.handle.stop.remote()
        ready, _ = self._ray.wait(list(self._refs), num_returns=1, timeout=wait_s)
        self._hear()
        found: list[Done | Broken] = []
        for ref in ready:
            if ref not in self._refs:  # its actor was buried a moment ago
                continue
            actor, unit = self._refs[ref]
            try:
                done = self._ray.get(ref)
            except self._ray.exceptions.RayTaskError as error:
                cause = error.cause
                raise cause if isinstance(cause, CrowdmaskError) else CrowdmaskError(str(error)) from error
            except self._ray.exceptions.RayError as error:
                found += self._bury(actor, error)
                continue
            del self._refs[ref]
            self._crew.did(actor, unit)
            found.append(done)
        return found

    def _hear(self) -> None:
        """The beats of all actors, asked for about once a second; nobody waits for an answer."""
        if self._asked:
            ready, self._asked = self._ray.wait(self._asked, num_returns=len(self._asked), timeout=0)
            for ref in ready:
                with suppress(self._ray.exceptions.RayError):  # it has died, and is buried by its unit
                    for beat in self._ray.get(ref):
                        self._beat(beat)
        elif time.monotonic() - self._heard >= BEAT_S:
            self._heard = time.monotonic()
            self._asked = [actor.handle.beats.remote() for actor in self._crew.members if actor.units]

    @property
    def _has_room(self) -> bool:
        """Whether the cluster has cores for one more actor; machines may have joined it or left."""
        if self._most is not None and len(self._crew.members) >= self._most:
            return False
        if time.monotonic() - self._looked >= LOOK_FOR_CORES_S:
            self._looked = time.monotonic()
            nodes = [node for node in self._ray.nodes() if node["Alive"]]
            self._room = sum(int(node["Resources"].get("CPU", 0)) // self._cores for node in nodes)
        return len(self._crew.members) < max(1, self._room)

    def _start(self) -> Member[Any]:
        plan = replace(self._plan, runtime=replace(self._plan.runtime, threads=self._cores))
        options = {"num_cpus": self._cores, "max_restarts": 0, "max_task_retries": 0, "max_concurrency": IN_HAND + 2}
        kind = self._ray.remote(ClusterWorker).options(**options)
        actor = Member(kind.remote(plan, self._networks, str(self._proof), self._word))
        self._crew.members.append(actor)
        return actor

    def _bury(self, actor: Member[Any], error: Exception) -> list[Broken]:
        """An actor is gone, with its machine or by itself."""
        for ref in [ref for ref, (mine, _) in self._refs.items() if mine is actor]:
            del self._refs[ref]
        words = str(getattr(error, "cause", None) or error)
        if "OutputError" in words:  # it was refused before its first unit: the folder is not shared
            raise OutputError(words[words.rindex("OutputError:") + len("OutputError:") :].strip().splitlines()[0])
        why = f"the cluster's workers keep dying ({str(error).splitlines()[0]}): look at Ray's log"
        return self._crew.bury(actor, why)


def _ray() -> Any:
    try:
        import ray
        import ray.exceptions
    except ImportError as error:
        raise SettingsError("--cluster needs Ray: pip install 'crowdmask[cluster]'") from error
    return ray
