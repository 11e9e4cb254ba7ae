"""A patient's short-axis cine examination: stacks at end diastole and end systole, with smooth labels."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from enum import IntEnum
from functools import cached_property
from typing import Any

import numpy as np
from scipy import ndimage

from SynthLogic.errors import ConfigError
from SynthLogic.phantoms.canvas import Box, Canvas
from SynthLogic.phantoms.chambers import Moment, Muscle, heart_box, paint_moment, surfaces
from SynthLogic.phantoms.cine import Surroundings, scan_cine
from SynthLogic.phantoms.patients import GROUPS, Patient, draw_patient
from SynthLogic.phantoms.stack import PARTS, Stack, plan_stack, pose_stack
from SynthLogic.phantoms.thorax import Thorax, draw_thorax, paint_airways, paint_trunk
from SynthLogic.phantoms.vendors import VENDORS, Protocol
from SynthLogic.phantoms.ventricles import Surfaces
from SynthLogic.volume import Volume

PHASES = {"ed": 0.0, "es": 0.35}


class Region(IntEnum):
    """Values of the label maps."""

    BACKGROUND = 0
    LV_CAVITY = 1
    LV_MYOCARDIUM = 2
    RV_CAVITY = 3


@dataclass(frozen=True)
class HeartSubject:
    """One patient: images (int16, arbitrary units) and labels (uint8, ``Region``), (K, J, I), all on the one
    oblique grid of the examination."""

    ed: Volume
    ed_labels: Volume
    es: Volume
    es_labels: Volume
    parameters: dict[str, Any]

    @property
    def files(self) -> dict[str, Volume | np.ndarray]:
        """What a folder of this subject holds, by name."""
        return {name: getattr(self, name) for name in ("ed", "ed_labels", "es", "es_labels")}

    @property
    def legend(self) -> dict[str, int]:
        """Names of the label values."""
        return {region.name.lower(): int(region) for region in Region}


def make_heart(
    seed: int, index: int = 0, *, pathology: str | None = None, vendor: str | None = None
) -> HeartSubject:
    """Simulate patient ``index`` of the cohort ``seed``; the same arguments give the same voxels.

    Args:
        seed: of the cohort, 0 or more.
        index: of the patient in the cohort.
        pathology: one of ``patients.GROUPS``; None takes each in turn, in equal shares.
        vendor: a key of ``VENDORS``; None takes each in turn, in equal shares.

    Raises:
        ConfigError: an unknown pathology or vendor.
    """
    exam = Examination.plan(seed, index, pathology=pathology, vendor=vendor)
    volumes: dict[str, Volume] = {}
    for phase in PHASES:
        labels, image = exam.labels(phase), exam.image(phase)
        volumes[phase] = Volume(image, exam.ijk_to_ras)
        volumes[f"{phase}_labels"] = Volume(labels, exam.ijk_to_ras)
    stack = exam.stack
    parameters = {
        "anatomy": "heart",
        "seed": seed,
        "index": index,
        "vendor": exam.protocol.vendor,
        "pathology": exam.patient.pathology,
        **_measures(volumes, exam.patient),
        "patient": asdict(exam.patient),
        "stack": {
            "spacing": stack.spacing,
            "thickness": stack.thickness,
            "breath": stack.breath.round(3).tolist(),
        },
        "protocol": asdict(exam.protocol),
        "muscle": asdict(exam.muscle),
        "body": asdict(exam.body),
    }
    return HeartSubject(**volumes, parameters=parameters)


@dataclass(frozen=True)
class Examination:
    """One patient on the scanner's table: all that is drawn, before anything is imaged."""

    body: Thorax
    patient: Patient
    muscle: Muscle
    moments: dict[str, Moment]
    stack: Stack
    canvas: Canvas
    protocol: Protocol
    randoms: dict[str, np.random.Generator]

    @classmethod
    def plan(
        cls, seed: int, index: int, *, pathology: str | None = None, vendor: str | None = None
    ) -> Examination:
        """Draw patient, stack and protocol; the arguments are those of ``make_heart``."""
        for what, value, choices in (("pathology", pathology, GROUPS), ("vendor", vendor, tuple(VENDORS))):
            if value is not None and value not in choices:
                raise ConfigError(f"The {what} {value!r} is unknown: choose one of {', '.join(choices)}.")
        turn = _turn(seed, index)
        pathology, vendor = pathology or turn[0], vendor or turn[1]
        names = ("body", "heart", "stack", "form", "scan", *PHASES)
        keys = np.random.SeedSequence([seed, index, 3]).spawn(len(names))
        randoms = {name: np.random.default_rng(key) for name, key in zip(names, keys, strict=True)}
        body = draw_thorax(randoms["body"], "normal", PHASES["ed"])
        patient = draw_patient(randoms["heart"], pathology, body.size)
        muscle = Muscle.draw(randoms["heart"])
        moments = {phase: _moment(body, patient, phase) for phase in PHASES}
        stack = plan_stack(randoms["stack"], moments["ed"], vendor)
        canvas = pose_stack(stack, body, randoms["form"])
        protocol = Protocol.draw(randoms["scan"], vendor)
        return cls(body, patient, muscle, moments, stack, canvas, protocol, randoms)

    @property
    def ijk_to_ras(self) -> np.ndarray:
        """Of both images and their labels; 4x4."""
        matrix = self.stack.ijk_to_patient.copy()
        matrix[:3, 3] += self.body.shift
        return matrix

    @cached_property
    def _trunk(self) -> Canvas:
        trunk = self.canvas.copy()
        paint_trunk(trunk, self.body, self.randoms["form"])
        return trunk

    @cached_property
    def _surroundings(self) -> Surroundings:
        middle = tuple(a[PARTS // 2 :: PARTS] for a in (self.canvas.x, self.canvas.y, self.canvas.z))
        ed = self.moments["ed"]
        return Surroundings.draw(
            self.protocol,
            (middle[0], middle[1], middle[2]),
            ed.place(0, 0, 0.4 * ed.ventricles.long),
            self.body.half_depth,
            self.stack.spacing,
            self.randoms["scan"],
        )

    @cached_property
    def _known(self) -> dict[str, tuple[Box, Surfaces, Surfaces]]:
        """For each phase the heart's box, and in it ``surfaces``."""
        boxes = {phase: heart_box(self.canvas, moment) for phase, moment in self.moments.items()}
        return {
            phase: (box, *surfaces(self.canvas, self.moments[phase], box)) for phase, box in boxes.items()
        }

    def labels(self, phase: str) -> np.ndarray:
        """Labels (uint8, (K, J, I)) of "ed" or "es", in the middle of each slice."""
        box, known, local = self._known[phase]
        first = -(-(box[0].start - PARTS // 2) // PARTS)  # the first slice whose middle lies in the box
        start = first * PARTS + PARTS // 2 - box[0].start
        inner, outer, free, u, v, w = (a[start::PARTS] for a in (*known, *local))
        drawn = _label((inner, outer, free), (u, v, w), self.stack.spacing[0])
        labels = np.zeros(self.stack.shape, np.uint8)
        labels[first : first + len(drawn), box[1], box[2]] = drawn
        return labels

    def image(self, phase: str) -> np.ndarray:
        """Image (int16, (K, J, I)) of "ed" or "es"; to be asked for once, it draws the noise."""
        box, known, local = self._known[phase]
        beat = self._trunk.copy()
        paint_moment(beat, self.moments[phase], self.muscle, box, known, local)
        paint_airways(beat, self.body)
        return scan_cine(
            beat.truth, self.protocol, self._surroundings, self.stack.spacing, self.randoms[phase]
        )


def _turn(seed: int, index: int) -> tuple[str, str]:
    """Pathology and vendor of a patient: each pair once in every eight, in an order of its own."""
    pairs = [(group, vendor) for group in GROUPS for vendor in VENDORS]
    block, place = divmod(index, len(pairs))
    order = np.random.default_rng([seed, block, 4]).permutation(len(pairs))
    return pairs[int(order[place])]


def _moment(body: Thorax, patient: Patient, phase: str) -> Moment:
    """The heart in the body at ``phase``. The base comes down to an apex that hardly moves."""
    v = getattr(patient, phase)
    heart, rest = body.heart, patient.ed
    axis = np.array(heart.axis)
    down = 0.85 * rest.length * v.shortening
    base = np.array(heart.centre) + (down - 0.38 * rest.length) * axis
    heart = replace(
        heart,
        radius=v.radius,
        length=v.long,
        wall=v.wall,
        contraction=v.squeeze,
        atria=heart.atria * (1.18 if phase == "es" else 1.0),
        pathology=patient.pathology,
        phase=PHASES[phase],
    )
    return Moment(heart, v, base)


def _label(known: Surfaces, local: Surfaces, pixel: float) -> np.ndarray:
    """Labels (K, J, I) as a reader draws them: between apex and valves, closed, without crumbs."""
    inner, outer, free = known
    u, v, w = local
    labels = np.zeros(inner.shape, np.uint8)
    for k in range(len(labels)):
        middle = np.unravel_index(np.argmin(u[k] ** 2 + v[k] ** 2), u[k].shape)
        if w[k][middle] < 1.0:
            continue
        muscle, cavity = outer[k] < 0, inner[k] < 0
        if muscle.sum() * pixel**2 < 150:
            continue
        labels[k][muscle] = Region.LV_MYOCARDIUM
        if cavity.sum() * pixel**2 >= 40:
            labels[k][cavity] = Region.LV_CAVITY
        pieces, count = ndimage.label((free[k] < 0) & ~muscle)
        if count:
            sizes = np.bincount(pieces.ravel())[1:]
            if sizes.max() * pixel**2 >= 60:
                labels[k][pieces == 1 + sizes.argmax()] = Region.RV_CAVITY
    return labels


def _measures(volumes: dict[str, Volume], patient: Patient) -> dict[str, Any]:
    """Volumes in ml and ejection fractions: of the labels as a reader would count, and of the shape."""
    counted: dict[str, dict[str, float]] = {}
    shape: dict[str, dict[str, float]] = {}
    for phase in PHASES:
        labels = volumes[f"{phase}_labels"]
        voxel = float(np.prod(labels.spacing)) / 1000
        count = np.bincount(labels.array.ravel(), minlength=len(Region)) * voxel
        counted[phase] = {r.name.lower(): round(float(count[r]), 2) for r in Region if r}
        exact = getattr(patient, phase).volumes()
        shape[phase] = {r.name.lower(): round(exact[r - 1], 2) for r in Region if r}

    def ejected(of: dict[str, dict[str, float]]) -> dict[str, float]:
        return {
            side: round(1 - of["es"][f"{side}_cavity"] / of["ed"][f"{side}_cavity"], 4)
            for side in ("lv", "rv")
        }

    return {
        "volume_ml": counted,
        "ejection_fraction": ejected(counted),
        "shape_volume_ml": shape,
        "shape_ejection_fraction": ejected(shape),
    }
