"""Follows the faces of one stream: finds of frame after frame in, people with steady boxes and verdicts out.

Finds are linked into chains as they come (chains.py). A chain that holds is a person, or goes on with one that was lost
(stitching.py). A frame is given out once the stream is `look_ahead_s` past it: by then its boxes can be smoothed from
both sides, its gaps filled and its verdicts decided. With no look-ahead the same code serves a live stream.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crowdmask.geometry import FloatArray, areas, intersections
from crowdmask.records import Verdict
from crowdmask.settings import FollowSettings
from crowdmask.tracking.appearances import Appearance, FollowedFrame, Stretch
from crowdmask.tracking.chains import SAME_FACE, Chains
from crowdmask.tracking.observations import NO_FACE, Finds, Floats, bounded, boxes_of, sizes_of, states_of
from crowdmask.tracking.people import NEVER, NOBODY, Person, Sums
from crowdmask.tracking.rows import Rows
from crowdmask.tracking.sightings import REACH_S, Sighting, Sightings
from crowdmask.tracking.steady_camera import SteadyCamera, in_picture
from crowdmask.tracking.stitching import Ends, left_picture, stitch
from crowdmask.tracking.verdicts import UNDECIDED, Evidence, VerdictRules, vote_weights

COAST_S = 1.0  # a chain that was lost may go on for so long without having to be stitched
CONFIRMING_LOOKS = 3
CONFIRMING_SURE = 2  # of them
FEWER_LOOKS, FEWER_AFTER_S = 2, 0.4  # enough where looks are far apart
DOUBLED_S = 0.3  # a person seen so shortly ago is still there
BEHIND = 0.3  # share of the smaller of two boxes in both, from which a face not found is behind the other one
LEAST_TRUST = 1e-3
SHOWN_ON_S = 0.3  # live, a face is shown for so long after it was seen last


@dataclass(frozen=True)
class _Pending:
    """A frame that is not given out yet."""

    ordinal: int
    index: int
    seconds: float
    pose: tuple[complex, complex]
    first: int  # number of its first sighting
    end: int  # and of the first one after it
    sharpness: Floats  # of its sightings


@dataclass
class _Here(Rows):
    """The people in a frame that is given out."""

    row: NDArray[np.intp]  # of the tables of people
    cursor: NDArray[np.int64]  # the last sighting up to then,
    at_s: Floats  # its time,
    following: NDArray[np.int64]  # the next one
    again_s: Floats  # and its time, infinite where there is none


class Follower:
    """For one stream. Give it every frame in order with `frame`, then call `finish`."""

    def __init__(
        self,
        settings: FollowSettings,
        size_wh: tuple[float, float],
        rules: VerdictRules,
        *,
        sure_score: float,
        judge_score: float = 0.0,
    ) -> None:
        """Finds from `sure_score` on begin people; answers under `judge_score` say only whether it is a face."""
        self._settings, self._size_wh, self._rules = settings, size_wh, rules
        self._sure, self._judge_score = sure_score, judge_score
        self._verdict_of = np.array([int(Verdict.UNKNOWN) if o == NO_FACE else o for o in rules.outcomes], np.int8)
        self._none = np.array(rules.outcomes) == NO_FACE
        self._camera = SteadyCamera()
        self._chains = Chains(sure_score, COAST_S)
        self._sightings = Sightings()
        nobody = np.zeros(0, np.int64)
        self._people = Person.begun(nobody, (0, 0.0), np.zeros((0, 4)), nobody)
        self._sums = Sums.none(0, len(Verdict))
        self._evidence = Evidence.none(0, len(rules.outcomes))
        self._stretches: dict[int, list[Stretch]] = {}
        self._pending: deque[_Pending] = deque()
        self._ended: list[Appearance] = []
        self._frames = 0
        self._given_s = 0.0  # time of the frame given out last
        self._looks_s: deque[float] = deque()  # times at which somebody looked, from the frames given out last on
        self._numbers = 0
        self._serials = 0
        self.flashes = 0  # faces that were seen too shortly to count as people

    def frame(
        self,
        index: int,
        seconds: float,
        finds: Finds | None,
        probability: NDArray[np.floating] | None = None,
        *,
        sureness: NDArray[np.floating] | None = None,
        sharpness: NDArray[np.floating] | None = None,
        camera: NDArray[np.floating] | None = None,
    ) -> list[FollowedFrame]:
        """The next frame, `finds` None where nobody looked; returns the frames that are final now, in order.

        `probability` (n, K) of the classifier's outcomes, rows of NaN where a face was not judged; `sureness` (n,)
        that each is a face at all, where more is known of it than the scores; `sharpness` (n,) 0..1; `camera` (2, 3)
        maps pixels of the frame before to pixels of this one.
        """
        self._camera.move(camera)
        first, sharp = self._sightings.end, np.zeros(0)
        if finds is not None:
            self._looks_s.append(seconds)
            sure = finds.scores if sureness is None else sureness
            sharp = self._look((index, seconds), finds, probability, sure, sharpness)
        end = self._sightings.end
        self._pending.append(_Pending(self._frames, index, seconds, self._camera.pose, first, end, sharp))
        self._frames += 1
        ahead = self._settings.look_ahead_s
        self._sightings.smooth_until(seconds - min(ahead, REACH_S))
        done = self._give(seconds - ahead)
        if finds is not None:
            self._part(seconds, everybody=False)
        return done

    def finish(self) -> list[FollowedFrame]:
        """The frames that are still waited for; after this all appearances are complete."""
        self._sightings.smooth_until(np.inf)
        done = self._give(np.inf)
        self._part(np.inf, everybody=True)
        return done

    def take_appearances(self) -> list[Appearance]:
        """Those that have ended since this was asked last."""
        ended, self._ended = self._ended, []
        return ended

    # -- taking in

    def _look(
        self,
        when: tuple[int, float],
        finds: Finds,
        probability: NDArray[np.floating] | None,
        sureness: NDArray[np.floating],
        sharpness: NDArray[np.floating] | None,
    ) -> Floats:
        """Links finds to people and lets those that were judged vote; returns the sharpness of the sightings."""
        seconds = when[1]
        in_pixels = states_of(finds.boxes_xyxy)
        states = self._camera.steady(in_pixels)
        self._chains.expire(seconds)
        rows = self._chains.link(seconds, states, finds.scores)
        linked = (rows >= 0).nonzero()[0]
        if not len(linked):
            return np.zeros(0)
        who = self._seen(when, rows[linked], states[linked], finds.scores[linked], linked)
        speed = self._people.end_speed[who] / abs(self._camera.pose[0])
        self._people.left[who] = left_picture(Ends(in_pixels[linked], speed, np.zeros(0)), self._size_wh)
        sharp = np.full(len(linked), np.nan) if sharpness is None else np.asarray(sharpness, np.float64)[linked]
        if probability is not None:
            asked = np.isfinite(probability[linked, 0])
            judged = asked & (sureness[linked] >= self._judge_score)
            if (unsure := asked & ~judged).any() and self._none.any():
                none = probability[linked[unsure]][:, self._none].sum(axis=1)
                found = finds.scores[linked[unsure]] >= self._judge_score
                self._rules.doubt(self._evidence, who[unsure], seconds, none, found=found)
            sizes = sizes_of(in_pixels[linked])
            weights = vote_weights(sizes[judged], finds.scores[linked[judged]], sharp[judged], self._sure)
            self._rules.vote(self._evidence, who[judged], seconds, probability[linked[judged]], weights)
        self._confirm(who)
        return sharp

    def _seen(
        self,
        when: tuple[int, float],
        rows: NDArray[np.intp],
        states: Floats,
        scores: NDArray[np.floating],
        finds: NDArray[np.intp],
    ) -> NDArray[np.intp]:
        """Notes these sightings with their people, new ones among them; returns the people's rows."""
        people, motion = self._people, self._chains.motion
        index, seconds = when
        serials = self._chains.chain.serial[rows]
        numbers = np.arange(len(rows)) + self._sightings.end
        new = serials >= self._serials
        if new.any():
            begun = Person.begun(serials[new], when, states[new], numbers[new])
            people.add(begun)
            self._sums.add(Sums.none(len(begun), len(Verdict)))
            self._evidence.add(Evidence.none(len(begun), len(self._rules.outcomes)))
            self._serials += len(begun)
        order = people.chain.argsort()
        who: NDArray[np.intp] = order[people.chain.searchsorted(serials, sorter=order)]
        before = people.last_sighting[who]
        nobody = np.full(len(rows), NEVER, np.int64)
        trust = np.maximum(np.asarray(scores, np.float64), LEAST_TRUST)
        self._sightings.append(
            Sighting(np.full(len(rows), seconds), states, motion.place[rows], trust, people.key[who], nobody, finds)
        )
        went_on = before != NEVER
        self._sightings.link(before[went_on], numbers[went_on])
        people.end_state[who], people.end_speed[who] = motion.place[rows], motion.speed[rows]
        people.last_look_s[who], people.last_look_frame[who] = seconds, index
        people.last_sighting[who] = numbers
        people.looks[who] += 1
        people.sures[who] += scores >= self._sure
        return who

    def _confirm(self, seen: NDArray[np.intp]) -> None:
        """Faces seen often enough become people, or go on with one that was lost."""
        people = self._people
        some = seen[people.number[seen] == NOBODY]
        if not len(some):
            return
        lasted_s = people.last_look_s[some] - people.first_look_s[some]
        frames = people.last_look_frame[some] - people.first_look_frame[some] + 1
        needed = np.where(lasted_s >= FEWER_AFTER_S, FEWER_LOOKS, CONFIRMING_LOOKS)
        needed = np.minimum(needed, self._settings.confirm_frames)
        sure = (people.looks[some] >= needed) & (people.sures[some] >= np.minimum(needed, CONFIRMING_SURE))
        sure &= frames >= self._settings.confirm_frames
        sure &= ~self._rules.are_no_face(self._evidence, some)
        if sure.any():
            sure &= ~self._on_somebody(some)
        ready = some[sure]
        if not len(ready):
            return
        self._chains.know(people.chain[ready])
        joined = self._stitch(ready)
        fresh = ready[~np.isin(ready, joined)]
        people.number[fresh] = self._numbers + 1 + np.arange(len(fresh))
        self._numbers += len(fresh)
        if len(joined):
            self._keep(~np.isin(np.arange(len(people)), joined))

    def _on_somebody(self, rows: NDArray[np.intp]) -> NDArray[np.bool_]:
        """Which of these faces are mostly where a person was seen just now: the same face, found in another way."""
        people = self._people
        seen = people.last_look_s >= people.last_look_s[rows].max() - DOUBLED_S
        others = (seen & (people.number != NOBODY)).nonzero()[0]
        mine, theirs = boxes_of(people.end_state[rows]), boxes_of(people.end_state[others])
        smaller = np.minimum(areas(mine)[:, None], areas(theirs)[None, :])
        return np.asarray((intersections(mine, theirs) > SAME_FACE * smaller).any(axis=1), np.bool_)

    def _stitch(self, ready: NDArray[np.intp]) -> NDArray[np.intp]:
        """Joins faces about to be confirmed to people who were lost; returns the rows that are somebody else's now."""
        people = self._people
        first_s = people.first_look_s[ready]
        lost = ((people.number != NOBODY) & ~people.left & (people.last_look_s < first_s.max())).nonzero()[0]
        if not len(lost):
            return np.zeros(0, np.intp)
        pairs = stitch(
            Ends(people.end_state[lost], people.end_speed[lost], people.last_look_s[lost]),
            Ends(people.first_state[ready], people.end_speed[ready], first_s),
            self._settings.stitch_s,
        )
        for row, later in zip(lost[pairs[0]].tolist(), ready[pairs[1]].tolist(), strict=True):
            self._chains.drop(people.chain[[row]])
            self._sightings.link(people.last_sighting[[row]], people.first_sighting[[later]])
            self._sightings.rename(int(people.key[later]), int(people.key[row]))
            self._rules.join(self._evidence, row, later, float(people.first_look_s[later]))
            for name in ("last_look_s", "last_look_frame", "looks", "chain", "end_state", "end_speed", "left"):
                column = getattr(people, name)
                column[row] = column[later]
            people.last_sighting[row] = people.last_sighting[later]
            people.cursor[row] = max(people.cursor[row], people.cursor[later])
        return ready[pairs[1]]

    # -- giving out

    def _give(self, until_s: float) -> list[FollowedFrame]:
        done = []
        while self._pending and self._pending[0].seconds <= until_s:
            frame = self._pending.popleft()
            done.append(self._given(frame))
            self._given_s = frame.seconds
        if done:
            kept_s = self._given_s - max(self._settings.fill_gaps_s, REACH_S) - REACH_S
            self._sightings.forget_before(kept_s)
            while self._looks_s and self._looks_s[0] < kept_s:
                self._looks_s.popleft()
        return done

    def _given(self, frame: _Pending) -> FollowedFrame:
        people, sightings = self._people, self._sightings
        mine = np.arange(frame.first, frame.end)
        if len(mine) and len(people):
            keys = sightings.of(mine, "who")
            rows = np.minimum(people.key.searchsorted(keys), len(people) - 1)
            known = people.key[rows] == keys  # others were flashes
            people.cursor[rows[known]] = mine[known]
        rows = ((people.number != NOBODY) & (people.cursor >= sightings.oldest)).nonzero()[0]
        here = self._here(frame, rows)
        rows, observed = here.row, here.cursor >= frame.first
        boxes = self._boxes(frame, here, observed)
        verdicts = self._verdicts(rows, frame.seconds)
        self._add_up(frame, here, boxes, observed, verdicts)
        finds = np.full(len(rows), -1, np.intp)
        finds[observed] = sightings.of(here.cursor[observed], "find")
        return FollowedFrame(
            index=frame.index,
            seconds=frame.seconds,
            persons=people.number[rows].astype(np.int32),
            boxes_xyxy=boxes,
            observed=observed,
            behind=self._behind(here, boxes, observed),
            finds=finds,
            verdicts=verdicts,
            verdict_prob=self._rules.probability(self._evidence, rows).astype(np.float32),
        )

    def _here(self, frame: _Pending, rows: NDArray[np.intp]) -> _Here:
        """Those of the people whose face was found in a frame, or shortly before and after it, by their numbers."""
        cursor = self._people.cursor[rows]
        at = self._sightings.of(cursor, "seconds")
        following = self._sightings.of(cursor, "following")
        found_again = following != NEVER
        again_s = np.full(len(rows), np.inf)
        again_s[found_again] = self._sightings.of(following[found_again], "seconds")
        inside: NDArray[np.bool_] = (cursor >= frame.first) | (again_s - at <= self._settings.fill_gaps_s)
        if not self._settings.look_ahead_s:
            inside |= frame.seconds - at <= SHOWN_ON_S
        chosen = inside.nonzero()[0]
        chosen = chosen[self._people.number[rows[chosen]].argsort()]
        return _Here(rows[chosen], cursor[chosen], at[chosen], following[chosen], again_s[chosen])

    def _boxes(self, frame: _Pending, here: _Here, observed: NDArray[np.bool_]) -> FloatArray:
        """Smoothed where found, in between on the straight line, after the last find by its speed."""
        sightings = self._sightings
        states: Floats = sightings.of(here.cursor, "smooth")  # a copy
        if not observed.all():
            found_again = here.following != NEVER
            between = (~observed & found_again).nonzero()[0]
            at = here.at_s[between]
            share = (frame.seconds - at) / np.maximum(here.again_s[between] - at, 1e-9)  # frames of one time
            after = sightings.of(here.following[between], "smooth")
            states[between] += bounded(share, 0.0, 1.0)[:, None] * (after - states[between])
            beyond = (~observed & ~found_again).nonzero()[0]
            states[beyond] += self._people.end_speed[here.row[beyond]] * (frame.seconds - here.at_s[beyond])[:, None]
        return boxes_of(in_picture(states, frame.pose))

    def _behind(self, here: _Here, boxes: FloatArray, observed: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Whose face was looked for in vain about now, and lies where another one was found."""
        behind = np.zeros(len(here), bool)
        if len(here) < 2 or observed.all():
            return behind
        looks_s = np.array(self._looks_s)
        missed = looks_s.searchsorted(here.at_s, side="right") < looks_s.searchsorted(here.again_s)  # a look in between
        lost = ~observed & missed
        if not lost.any() or lost.all():
            return behind
        mine, theirs = boxes[lost], boxes[~lost]
        smaller = np.minimum(areas(mine)[:, None], areas(theirs)[None, :])
        behind[lost] = (intersections(mine, theirs) > BEHIND * smaller).any(axis=1)
        return behind

    def _verdicts(self, rows: NDArray[np.intp], seconds: float) -> NDArray[np.int8]:
        evidence = self._evidence
        outcome = np.where(seconds < evidence.since_s[rows], evidence.former[rows], evidence.current[rows])
        return np.where(outcome == UNDECIDED, np.int8(Verdict.UNKNOWN), self._verdict_of[outcome]).astype(np.int8)

    def _add_up(
        self,
        frame: _Pending,
        here: _Here,
        boxes: FloatArray,
        observed: NDArray[np.bool_],
        verdicts: NDArray[np.int8],
    ) -> None:
        rows = here.row
        sides = (boxes[:, 2:] - boxes[:, :2]).astype(np.float64)
        sizes = np.sqrt(sides[:, 0] * sides[:, 1])
        when = (frame.ordinal, frame.index, frame.seconds, self._given_s)
        changed = self._sums.shown(rows, when, verdicts, sizes)
        for row, verdict in zip(rows[changed].tolist(), verdicts[changed].tolist(), strict=True):
            number = int(self._people.number[row])
            self._stretches.setdefault(number, []).append(Stretch(frame.seconds, verdict))
        cursor = here.cursor[observed]
        sharp = frame.sharpness[cursor - frame.first]
        quality = sizes[observed] * self._sightings.of(cursor, "trust") * np.where(np.isnan(sharp), 0.5, 0.3 + sharp)
        self._sums.seen_at_best(rows[observed], quality, frame.index, frame.seconds, boxes[observed])

    # -- parting

    def _part(self, seconds: float, *, everybody: bool) -> None:
        """Whoever can no longer come back becomes an appearance, or a flash."""
        people = self._people
        if len(people) == len(self._chains) and not everybody:
            return  # each still has its chain
        gone = ~np.isin(people.chain, self._chains.chain.serial) | everybody
        confirmed = people.number != NOBODY
        past = seconds - people.last_look_s > self._settings.stitch_s
        over = gone & confirmed & (past | people.left) & (people.cursor == people.last_sighting)
        flash = gone & ~confirmed
        self.flashes += int(np.count_nonzero(flash))
        probability = self._rules.probability(self._evidence) if over.any() else np.zeros(0)
        for row in over.nonzero()[0].tolist():
            number = int(people.number[row])
            if self._sums.frames[row]:
                self._ended.append(
                    self._sums.appearance(
                        row,
                        person=number,
                        stretches=tuple(self._stretches.pop(number)),
                        probability=probability[row],
                        judged=int(self._evidence.votes[row]),
                    )
                )
        if over.any() or flash.any():
            self._keep(~(over | flash))

    def _keep(self, rows: NDArray[np.bool_]) -> None:
        self._people.keep(rows)
        self._sums.keep(rows)
        self._evidence.keep(rows)
