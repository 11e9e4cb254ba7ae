"""What to train on: where files lie; for translation, two domains and how their patches are drawn."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from SynthLogic.data.corruption import Corruption
from SynthLogic.intensity import Pipeline

Plane = Literal["axial", "coronal", "sagittal"]


class Strict(BaseModel):
    """Frozen, and without unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class FileSource(Strict):
    """Files of one origin.

    Attributes:
        name: shown on the card.
        root: name of an entry of the configuration's ``roots``.
        glob: files, or folders of DICOM slices, below the root, e.g. ``sub-*/ct.nii.gz``; null for every
            volume there is.
        table: instead, a CSV file below the root with a column ``image``, and ``labels``, ``reference`` and
            ``subject`` where there are any; its paths start from the root.
        subjects: "all", "even", "odd", or a range of numbers such as "1-40", counted by the number in
            ``sub-NUMBER``; lets two domains have no subject in common.
        subject: regular expression whose match in the path names the subject, for files that are not in
            folders of their own.
        weight: how often the source is drawn, relative to the others beside it.
        licence: SPDX identifier or short name; goes on the card.
        citation: whom to cite; goes on the card.
        required: false where training may go on, with a warning, without these files.
    """

    name: str
    root: str
    glob: str | None = None
    table: str | None = None
    subjects: str = Field(default="all", pattern=r"^(all|even|odd|\d+-\d+)$")
    subject: str | None = None
    weight: float = Field(default=1.0, gt=0)
    licence: str
    citation: str = Field(min_length=1)
    required: bool = True

    @field_validator("subject")
    @classmethod
    def _subject_is_a_pattern(cls, subject: str | None) -> str | None:
        try:
            re.compile(subject or "")
        except re.error as error:
            raise ValueError(f"it is no regular expression ({error})") from error
        return subject

    @model_validator(mode="after")
    def _one_way_to_find_files(self) -> FileSource:
        if self.glob is not None and self.table is not None:
            raise ValueError(f"source {self.name!r} has a glob and a table; keep one of them")
        return self


class SplitConfig(Strict):
    """Subjects kept out of the training, drawn by the seed; one that is in both domains is on one side.

    Attributes:
        held_out: share of the subjects, at least one.
        seed: of the draw.
    """

    held_out: float = Field(gt=0, lt=1)
    seed: int = Field(default=0, ge=0)


class FilesConfig(Strict):
    """Where the data lie; every kind of data adds its sources.

    Attributes:
        roots: folders by name; null for one that is given when training starts.
        held_out: globs (``ROOT:GLOB``) of files that must not be trained on.
        split: subjects to keep out, drawn; null trains on all.
        workers: loader processes; 0 draws samples in the training process.
    """

    roots: dict[str, str | None]
    held_out: tuple[str, ...] = ()
    split: SplitConfig | None = None
    workers: int = Field(default=0, ge=0)

    def all_sources(self) -> tuple[FileSource, ...]:
        """Every source that files are read from."""
        raise NotImplementedError

    @model_validator(mode="after")
    def _roots_known(self) -> FilesConfig:
        bare = next((entry for entry in self.held_out if not all(entry.partition(":")[::2])), None)
        if bare is not None:
            raise ValueError(f"held_out {bare!r} is not ROOT:GLOB; write for example 'real:sub-01/*'")
        used = [source.root for source in self.all_sources()]
        used += [glob.partition(":")[0] for glob in self.held_out]
        for root in used:
            if root not in self.roots:
                raise ValueError(f"root {root!r} is not among roots {sorted(self.roots)}")
        return self


class SourceConfig(FileSource):
    """Images of one origin.

    Attributes:
        reference: file beside each file that holds its clean twin on the same grid, or null. A path from the
            file's folder; ``{stem}`` stands for the file's name without ending.
        labels: file that holds its label map on the same grid, likewise.
    """

    reference: str | None = None
    labels: str | None = None


class DomainConfig(Strict):
    """One side of the translation.

    Attributes:
        modality: CT or MR.
        units: of the images, "HU" or "a.u.".
        intensity: from units to [-1, 1], for inputs.
        output_intensity: back from [-1, 1] for outputs, without a fit; ``intensity`` itself where null.
        background: value outside the field of view, in units.
        dtype: of translated files.
        value_range: typical 1st and 99th percentile of a scan that fits; null where units say nothing.
        lung_fraction: lung as a share of lung and tissue in a CT that fits, from and to.
        sources: the files.
        corruptions: what is done to inputs, in this order.
    """

    modality: Literal["CT", "MR"]
    units: Literal["HU", "a.u."]
    intensity: Pipeline
    output_intensity: Pipeline | None = None
    background: float = 0.0
    dtype: Literal["int16", "float32"] = "float32"
    value_range: tuple[float, float] | None = None
    lung_fraction: tuple[float, float] | None = None
    sources: tuple[SourceConfig, ...] = Field(min_length=1)
    corruptions: tuple[Corruption, ...] = ()


class SamplingConfig(Strict):
    """How patches are drawn, for both domains alike, so that layout does not tell them apart.

    Attributes:
        spatial_dims: 2 for slices, 3 for subvolumes, whose first axis is never turned.
        neighbours: slices on either side that come along as channels (2.5D); as far apart as the scan's own,
            the last one repeated at its end.
        patch: side of the square or cubic patch in pixels; divisible by 4.
        planes: weight of each plane.
        spacing_range_mm: the patch's pixel size is drawn from here, log-uniform.
        rotation_deg: drawn from plus or minus this.
        shear: tangent of the angle, drawn from plus or minus this.
        slack: how far, as a share of the patch, a patch may reach beyond the volume.
        flip: chance of a left-right mirror; 0 keeps the heart on its side.
        field_of_view: chance that only a disc or a box of a slice's patch is kept, as where little was
            scanned.
        min_body: slices with a smaller share of body are not drawn.
        body_above: what counts as body, in network range [-1, 1].
        slices_with: label values; slices with none of them are not drawn. Empty for all slices.
        centre: what patches lie around, give or take ``slack``: the "volume", of which every part is drawn,
            or the box of its "labels" (paper 1).
        max_slice_spacing_mm: volumes with thicker slices are cut in their acquisition plane alone.
    """

    spatial_dims: Literal[2, 3] = 2
    neighbours: int = Field(default=0, ge=0, le=8)
    patch: int = Field(default=128, ge=16, multiple_of=4)
    planes: dict[Plane, float] = {"axial": 1.0}
    spacing_range_mm: tuple[float, float] = (1.4, 2.6)
    rotation_deg: float = Field(default=12.0, ge=0, le=180)
    shear: float = Field(default=0.0, ge=0, le=1)
    slack: float = Field(default=0.1, ge=0, le=0.5)
    flip: float = Field(default=0.0, ge=0, le=1)
    field_of_view: float = Field(default=0.15, ge=0, le=1)
    min_body: float = Field(default=0.1, ge=0, lt=1)
    body_above: float = -0.9
    slices_with: tuple[int, ...] = ()
    centre: Literal["volume", "labels"] = "volume"
    max_slice_spacing_mm: float = Field(default=3.0, gt=0)

    @field_validator("planes")
    @classmethod
    def _some_plane(cls, planes: dict[Plane, float]) -> dict[Plane, float]:
        if not planes or min(planes.values()) < 0 or sum(planes.values()) <= 0:
            raise ValueError("planes needs at least one plane with a weight above 0")
        return planes

    @model_validator(mode="after")
    def _range_ascends(self) -> SamplingConfig:
        low, high = self.spacing_range_mm
        if not 0 < low <= high:
            raise ValueError(f"spacing_range_mm is {[low, high]}; it must be two ascending sizes above 0")
        return self

    @model_validator(mode="after")
    def _neighbours_of_slices(self) -> SamplingConfig:
        if self.spatial_dims == 3 and self.neighbours:
            raise ValueError("neighbours belong to slices; with spatial_dims 3 set neighbours to 0")
        return self

    @field_validator("slices_with")
    @classmethod
    def _labels_of_slices(cls, values: tuple[int, ...]) -> tuple[int, ...]:
        if any(not 1 <= value <= 255 for value in values):
            raise ValueError("slices_with must name labels from 1 to 255")
        return values

    @property
    def wants_labels(self) -> bool:
        """Whether label maps say where patches lie."""
        return bool(self.slices_with) or self.centre == "labels"

    @property
    def slices(self) -> int:
        """Slices in a patch, which are channels of its image."""
        return 1 + 2 * self.neighbours

    @property
    def shape(self) -> tuple[int, ...]:
        """Of a patch, (J, I) or (K, J, I)."""
        return (self.patch,) * self.spatial_dims


class DataConfig(FilesConfig):
    """Two domains and what is done with them.

    Attributes:
        a: first domain.
        b: second domain.
        paired: draw a and b from the same place of the same subject.
        label_groups: sets of label values; each is one channel of the label maps in a batch. Label 0 is what
            lies outside a volume. Empty for batches without label maps.
        masks: sets of label values by name; each is a mask that goes with the image through the networks, as
            a channel of its own (paper 1). Empty for images alone.
        sampling: how patches are drawn.
    """

    a: DomainConfig
    b: DomainConfig
    paired: bool = False
    label_groups: tuple[tuple[int, ...], ...] = ()
    masks: dict[str, tuple[int, ...]] = Field(default_factory=dict)
    sampling: SamplingConfig = SamplingConfig()

    def all_sources(self) -> tuple[FileSource, ...]:
        """Those of both domains."""
        return (*self.a.sources, *self.b.sources)

    @property
    def wants_labels(self) -> bool:
        """Whether label maps are read."""
        return bool(self.label_groups or self.masks) or self.sampling.wants_labels

    @property
    def channels(self) -> int:
        """Of a network's input and output: slices and masks."""
        return self.sampling.slices + len(self.masks)

    @field_validator("masks")
    @classmethod
    def _masks_of_labels(cls, masks: dict[str, tuple[int, ...]]) -> dict[str, tuple[int, ...]]:
        for name, values in masks.items():
            if not values or any(not 1 <= value <= 255 for value in values):
                raise ValueError(f"mask {name!r} must name labels from 1 to 255")
        return masks

    @model_validator(mode="after")
    def _labels_have_sources(self) -> DataConfig:
        sampling = self.sampling
        needs = {
            "masks": self.masks,
            "slices_with": sampling.slices_with,
            "centre": sampling.centre == "labels",
        }
        what = next((key for key, wanted in needs.items() if wanted), None)
        # Of a pair, the first image says where both are cut.
        sources = self.a.sources if self.paired and not self.masks else self.all_sources()
        for source in sources if what else ():
            if isinstance(source, SourceConfig) and not (source.labels or source.table):
                raise ValueError(f"{what!r} goes by label maps; source {source.name!r} has no 'labels'")
        return self

    @field_validator("label_groups")
    @classmethod
    def _groups_apart(cls, groups: tuple[tuple[int, ...], ...]) -> tuple[tuple[int, ...], ...]:
        values = [value for group in groups for value in group]
        if len(values) != len(set(values)) or any(not 0 <= value <= 255 for value in values):
            raise ValueError("label_groups must name each label once, from 0 to 255")
        if groups and 0 not in values:
            raise ValueError("label_groups has no group with label 0, which stands for outside")
        return groups
