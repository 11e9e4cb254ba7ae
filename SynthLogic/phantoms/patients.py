"""Patients for a short-axis examination: a pathology, sizes, and the heart at end diastole and end systole.

Volumes and ejection fractions follow cardiac MR reference values (Kawel-Boehm 2020, J Cardiovasc Magn Reson
22:87) and the groups of the ACDC challenge (Bernard 2018, IEEE Trans Med Imaging 37:2514): dilated with an
ejection fraction below 0.4, hypertrophic with a wall above 13 mm, infarct with local akinesia.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from SynthLogic.phantoms.ventricles import Ventricles

GROUPS = ("normal", "dilated", "hypertrophic", "infarct")


@dataclass(frozen=True)
class Group:
    """Ranges of one pathology: ``volume`` of the cavity at rest (ml), ``wall`` (mm), the rest as shares.

    ``sphericity`` is width over length, ``shortening`` that of the long axis, ``rv_share`` the right
    ventricle's volume over the left's.
    """

    volume: tuple[float, float]
    ejection: tuple[float, float]
    wall: tuple[float, float]
    sphericity: tuple[float, float]
    shortening: tuple[float, float]
    rv_share: tuple[float, float]
    rv_ejection: tuple[float, float]


_GROUPS = {
    "normal": Group(
        volume=(80, 185), ejection=(0.56, 0.69), wall=(6.5, 10.5), sphericity=(0.50, 0.66),
        shortening=(0.12, 0.19), rv_share=(0.9, 1.3), rv_ejection=(0.45, 0.62),
    ),
    "dilated": Group(
        volume=(190, 340), ejection=(0.16, 0.33), wall=(6, 9.5), sphericity=(0.62, 0.82),
        shortening=(0.03, 0.09), rv_share=(0.6, 1.05), rv_ejection=(0.22, 0.5),
    ),
    "hypertrophic": Group(
        volume=(70, 150), ejection=(0.58, 0.76), wall=(12, 18), sphericity=(0.46, 0.62),
        shortening=(0.07, 0.14), rv_share=(0.85, 1.25), rv_ejection=(0.5, 0.65),
    ),
    "infarct": Group(
        volume=(115, 245), ejection=(0.28, 0.48), wall=(7, 10.5), sphericity=(0.52, 0.74),
        shortening=(0.05, 0.12), rv_share=(0.65, 1.1), rv_ejection=(0.35, 0.58),
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Patient:
    """The heart of one patient at end diastole and end systole; ``kind`` tells the variant of a pathology."""

    pathology: str
    kind: str
    ed: Ventricles
    es: Ventricles


def draw_patient(random: np.random.Generator, pathology: str, size: float) -> Patient:
    """Draw a patient with a ``pathology`` of ``GROUPS``, of a body ``size`` (1 = average)."""
    group = _GROUPS[pathology]
    draw = random.uniform
    volume = draw(*group.volume) * size**1.5
    ejection, rv_ejection = draw(*group.ejection), draw(*group.rv_ejection)
    wall, sphericity = draw(*group.wall), draw(*group.sphericity)
    shortening = draw(*group.shortening)
    rv_volume = volume * draw(*group.rv_share)
    uneven, thick_angle, apical, kind = draw(0.0, 0.14), random.normal(0, 0.8), draw(-0.35, -0.1), ""
    scar = dict.fromkeys(("scar_angle", "scar_width", "scar_from", "scar_to", "scar_wall"), 0.0)
    if pathology == "hypertrophic":
        kind = ("septal", "septal", "concentric", "apical")[int(random.integers(4))]
        if kind == "septal":
            uneven, thick_angle, wall = draw(0.28, 0.45), random.normal(0, 0.35), 0.88 * wall
        elif kind == "apical":
            apical, wall = draw(0.1, 0.4), 0.8 * wall
    elif pathology == "infarct":
        kind, angle, first = (
            ("anteroseptal", -0.7, draw(0.25, 0.5)),
            ("inferior", 1.7, draw(0.0, 0.3)),
            ("lateral", -2.6, draw(0.05, 0.35)),
        )[int(random.integers(3))]
        scar = {
            "scar_angle": angle + random.normal(0, 0.3),
            "scar_width": draw(0.5, 1.0),
            "scar_from": first,
            "scar_to": draw(1.0, 1.3) if kind == "anteroseptal" else draw(0.65, 1.0),
            "scar_wall": draw(4.2, 5.6),
        }
    rest = Ventricles(
        radius=1.0,
        length=2 / sphericity,
        taper=draw(0.88, 1.3),
        oval=draw(-0.07, 0.09),
        oval_angle=draw(0, np.pi),
        bend=(0.0, 0.0),
        wall=wall,
        uneven=uneven,
        thick_angle=thick_angle,
        apical=apical,
        **scar,
        rv_depth=25.0,
        rv_angle=np.deg2rad(draw(62, 88)),
        rv_centre=np.deg2rad(random.normal(-4, 7)),
        rv_skew=draw(-0.2, 0.2),
        rv_twist=np.deg2rad(draw(-8, 22)),
        rv_reach=draw(0.72, 0.95),
        rv_round=draw(0.55, 1.0),
        rv_lean=float(np.clip(random.normal(-0.15, 0.22), -0.6, 0.4)),
    )
    scale = float(np.cbrt(volume / rest.volumes()[0]))
    bend = tuple(float(b) for b in random.normal(0, 0.05, 2) * scale * rest.length)
    rest = replace(rest, radius=scale, length=scale * rest.length, bend=(bend[0], bend[1]))
    depth = _solve(lambda d: replace(rest, rv_depth=d).volumes()[2], rv_volume, 8, 50)
    ed = replace(rest, rv_depth=depth)
    es = replace(ed, shortening=shortening)
    # A contraction without end would turn the wall inside out; 0.58 is a cavity nearly closed.
    squeeze = _solve(lambda q: -replace(es, squeeze=q).volumes()[0], -(1 - ejection) * volume, 0, 0.58)
    es = replace(es, squeeze=squeeze)
    left = (1 - rv_ejection) * ed.volumes()[2]
    es = replace(es, rv_squeeze=_solve(lambda q: -replace(es, rv_squeeze=q).volumes()[2], -left, -0.2, 0.75))
    return Patient(pathology, kind, ed, es)


def _solve(rising: Callable[[float], float], value: float, low: float, high: float) -> float:
    """Where ``rising`` reaches ``value`` between ``low`` and ``high``, or the nearer end."""
    for _ in range(22):
        middle = (low + high) / 2
        low, high = (middle, high) if rising(middle) < value else (low, middle)
    return float((low + high) / 2)
