"""The files of one heart that ``interpolate`` makes: whole or not at all, never over anyone's work."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from SynthLogic.cohorts.picture import picture
from SynthLogic.errors import ConfigError, OutputError
from SynthLogic.inference import Monitor
from SynthLogic.jobs.heart_labels import Heart
from SynthLogic.jobs.heart_record import HeartRecord, StyleId, read_any_record
from SynthLogic.jobs.offspring import Maker, Step
from SynthLogic.jobs.output import failing_as_output, file_sha256, publish, staging
from SynthLogic.jobs.paint import input_id
from SynthLogic.jobs.record import MARK, bundle_id
from SynthLogic.volume import write_volume


class StepFiles:
    """The files of one step.

    Args:
        folder: where they lie.
        name: what they begin with.
        painted: whether there is an image.
    """

    def __init__(self, folder: Path, name: str, painted: bool) -> None:
        self.folder, self.name = folder, name
        self.image = folder / f"{name}.nii.gz" if painted else None
        self.labels = folder / f"{name}.labels.nii.gz"
        self.record = folder / f"{name}.record.json"
        self.picture = folder / f"{name}.png"

    @property
    def main(self) -> Path:
        """The image, or the labels where there is none."""
        return self.image or self.labels

    def found(
        self, maker: Maker, parents: Sequence[Heart], t: float, styles: Sequence[StyleId]
    ) -> HeartRecord | None:
        """The record of this very step, if it is here; its files may be missing or changed."""
        try:
            record = read_any_record(self.record)
        except ConfigError:
            return None
        if not isinstance(record, HeartRecord):
            return None
        painter = maker.painter
        same = (
            record.request == maker.request
            and record.inputs == tuple(input_id(heart) for heart in parents)
            and record.t == t
            and record.codec == bundle_id(maker.codec.bundle)
            and record.model == (None if painter is None else bundle_id(painter.bundle))
            and len(record.styles) == len(styles)
            and all(map(_alike, record.styles, styles))
        )
        return record if same else None

    def is_whole(self, record: HeartRecord) -> bool:
        """Whether all files of ``found`` are as they were written."""
        files = record.output.files
        return bool(files) and all(self._state(name, digest) == "same" for name, digest in files.items())

    def check_free(self, record: HeartRecord | None) -> None:
        """Refuse to replace what another run has left, or what was changed since.

        Args:
            record: of this very step, if it is here.

        Raises:
            OutputError: names the file.
        """
        own = {} if record is None else record.output.files
        for path in (self.image, self.labels, self.record, self.picture):
            if path is None or not path.exists() or (path == self.record and record is not None):
                continue
            if path.name not in own:
                raise OutputError(
                    f"{path.name} is there already and not from this very request; choose another folder, or "
                    "add --yes to replace it."
                )
            if self._state(path.name, own[path.name]) == "changed":
                raise OutputError(
                    f"{path.name} was changed after it was made; move it elsewhere to have it made again, or "
                    "add --yes to replace it."
                )

    def write(self, step: Step, monitor: Monitor) -> HeartRecord:
        """Put the files of ``step`` in place, and return its record.

        Raises:
            OutputError, Cancelled: see there; all is as it was then.
        """
        with staging(self.main) as place:
            prepared: list[tuple[Path, Path]] = []

            def add(target: Path, make: Callable[[Path], object]) -> None:
                made = place / target.name
                monitor.interruptible(lambda: make(made))
                prepared.append((made, target))

            if self.image is not None and step.image is not None:
                image = step.image
                add(self.image, lambda path: write_volume(path, image, MARK))
            add(self.labels, lambda path: write_volume(path, step.labels, MARK))
            shown = step.image or step.labels.with_array(step.labels.array * np.uint8(60))
            with failing_as_output(self.name):
                if step.labels.array.any():
                    add(self.picture, lambda path: path.write_bytes(picture(shown, step.labels)))
                files = {target.name: file_sha256(made) for made, target in prepared}
                output = step.record.output.model_copy(update={"files": files})
                record = step.record.model_copy(update={"output": output})
                add(self.record, lambda path: path.write_bytes(record.to_json().encode()))
            monitor.check()
            # The record first: should a kill leave only some files, it says whose they are.
            publish([prepared[-1], *prepared[:-1]], place)
        return record

    def _state(self, name: str, digest: str) -> str:
        """A file that a record names is "same", "changed" or "missing"."""
        try:
            return "same" if file_sha256(self.folder / name) == digest else "changed"
        except FileNotFoundError:
            return "missing"
        except OSError:
            return "changed"


def _alike(one: StyleId, other: StyleId) -> bool:
    """Whether two styles are one; a network's numbers differ in their last digits with its threads."""
    facts = [(s.choice, s.image_hash, s.labels_hash, len(s.vector)) for s in (one, other)]
    return facts[0] == facts[1] and np.allclose(one.vector, other.vector, rtol=1e-3, atol=1e-4)


__all__ = ["StepFiles"]
