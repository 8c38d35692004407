"""Synthesises the clip's sound: the hum of a hall, steps, and a three-tone gong."""

from __future__ import annotations

import numpy as np

from samples.making.shapes import Floats

SAMPLE_RATE = 48000


def tone(frequency: float, seconds: float, decay_s: float) -> Floats:
    """A struck bar: a few inharmonic partials, the higher ones dying sooner."""
    t = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    parts = ((1.0, 1.0, 1.0), (2.0, 0.35, 0.6), (2.76, 0.22, 0.4), (5.4, 0.08, 0.2))
    wave = sum(a * np.sin(2 * np.pi * frequency * m * t) * np.exp(-t / (decay_s * d)) for m, a, d in parts)
    return (wave * np.minimum(1, t / 0.004)).astype(np.float32)


def add(track: Floats, sound: Floats, at_s: float, gain: float) -> None:
    start = min(len(track), round(at_s * SAMPLE_RATE))
    end = min(len(track), start + len(sound))
    track[start:end] += gain * sound[: end - start]


def hall_sound(seconds: float, seed: int = 3) -> Floats:
    """Stereo, (2, samples), within -1..1."""
    rng = np.random.default_rng(seed)
    count = round(seconds * SAMPLE_RATE)
    spectrum = np.fft.rfft(rng.standard_normal((2, count)))
    frequency = np.fft.rfftfreq(count, 1 / SAMPLE_RATE)
    murmur = np.fft.irfft(spectrum / (1 + (frequency / 180) ** 1.6) * (frequency > 40), count)
    track = (0.03 * murmur / murmur.std()).astype(np.float32)
    for step in np.arange(0.3, seconds, 0.52):
        length = round(0.09 * SAMPLE_RATE)
        thud = rng.standard_normal(length) * np.exp(-np.arange(length) / 700)
        thud = np.convolve(thud, np.ones(60) / 60, mode="same").astype(np.float32)
        side = rng.uniform(0.3, 0.7)
        for channel, share in ((0, 1 - side), (1, side)):
            add(track[channel], thud, float(step + rng.uniform(-0.03, 0.03)), 0.45 * share)
    for start, pitch in ((1.0, 659.26), (1.55, 523.25), (2.1, 587.33), (7.0, 659.26), (7.55, 523.25), (8.1, 587.33)):
        for channel in (0, 1):
            add(track[channel], tone(pitch, 2.5, 0.75), start, 0.07)
            for echo, loss in ((0.09, 0.35), (0.19, 0.22), (0.33, 0.13)):
                add(track[channel], tone(pitch, 2.0, 0.75), start + echo + 0.013 * channel, 0.07 * loss)
    fade = np.minimum(1, np.minimum(np.arange(count), np.arange(count)[::-1]) / (0.2 * SAMPLE_RATE))
    out: Floats = np.clip(track * fade, -0.98, 0.98).astype(np.float32)
    return out
