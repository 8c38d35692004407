"""How followed faces move: constant velocity of centre and log size, one small Kalman filter for each of the four."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from crowdmask.tracking.observations import Floats, sizes_of
from crowdmask.tracking.rows import Rows

# Deviations, for places in face sizes, for log sizes as they are; per second where they are of motion.
PLACE_NOISE, SIZE_NOISE = 0.14, 0.10  # of a find
FIRST_SPEED, FIRST_GROWTH = 2.5, 0.4  # of a face of which only one find is known
PLACE_DRIFT, SIZE_DRIFT = 1.6, 0.25  # of the speed, after one second
TREMBLES_S = 0.1  # finds closer in time than this err alike, and several of them say no more than one
GROWTH_FADES_S = 1.0  # nobody grows steadily for long: the growth that was seen dies away in this time


_NOISE = np.array([PLACE_NOISE, PLACE_NOISE, SIZE_NOISE, SIZE_NOISE])
_DRIFT = np.array([PLACE_DRIFT, PLACE_DRIFT, SIZE_DRIFT, SIZE_DRIFT])


@dataclass
class Motion(Rows):
    """Filtered states (n, 4) with their velocities, and the covariance of each pair of place and velocity."""

    place: Floats
    speed: Floats
    var_place: Floats
    covar: Floats
    var_speed: Floats

    @classmethod
    def begun(cls, states: Floats) -> Motion:
        """From one find each."""
        scale = _scales(states)
        speed = np.array([FIRST_SPEED, FIRST_SPEED, FIRST_GROWTH, FIRST_GROWTH])
        nothing = np.zeros_like(states)
        return cls(states.copy(), nothing, (_NOISE * scale) ** 2, nothing.copy(), (speed * scale) ** 2)

    def advance(self, seconds: Floats | float) -> None:
        """To `seconds` later, one for all or one each."""
        if not len(self):
            return
        dt = np.asarray(seconds, np.float64).reshape(-1, 1)
        drift = (_DRIFT * _scales(self.place)) ** 2
        fade = np.exp(-dt / GROWTH_FADES_S)
        grows = GROWTH_FADES_S * (1.0 - fade)
        self.place += self.speed * np.concatenate([dt, dt, grows, grows], axis=1)
        self.speed[:, 2:] *= fade
        self.var_place += 2.0 * dt * self.covar + dt**2 * self.var_speed + drift * dt**3 / 3.0
        self.covar += dt * self.var_speed + drift * dt**2 / 2.0
        self.var_speed += drift * dt

    def noise(self, states: Floats, doubt: Floats) -> Floats:
        """Variance of finds (n, 4); `doubt` (n,) is 1 for a sure one and greater for a weak one."""
        deviation = _NOISE * _scales(states)
        variance: Floats = (deviation * doubt[:, None]) ** 2
        return variance

    def correct(self, rows: np.ndarray, states: Floats, doubt: Floats, since_s: Floats) -> None:
        """Rows `rows` were found at `states`, so long after they were found before."""
        var, covar = self.var_place[rows], self.covar[rows]
        alike = np.sqrt(np.maximum(1.0, TREMBLES_S / np.maximum(since_s, 1e-3)))
        total = var + self.noise(states, doubt * alike)
        gain, speed_gain = var / total, covar / total
        off = states - self.place[rows]
        self.place[rows] += gain * off
        self.speed[rows] += speed_gain * off
        self.var_place[rows] = (1.0 - gain) * var
        self.covar[rows] = (1.0 - gain) * covar
        self.var_speed[rows] -= speed_gain * covar


def _scales(states: Floats) -> Floats:
    """What a deviation is counted in, (n, 4): face sizes for places."""
    scales = np.ones_like(states)
    scales[:, :2] = sizes_of(states)[:, None]
    return scales
