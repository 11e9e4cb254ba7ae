"""What a scan is, in a few words."""

from __future__ import annotations

from SynthLogic.jobs.check import CheckReport

_SURE = 0.85
# Measured shares of lung: chest 0.16, heart 0.33, abdomen 0.02 at most, head below 0.01.
_CHEST_LUNG = 0.05
_SAME_SPACING = 1.1


def describe(report: CheckReport) -> str:
    """One line such as "Looks like a CT, chest, 1.5 mm."; says less where less can be told."""
    if report.modality is None:
        return "There is no image: every voxel is the same."
    article = "an" if report.modality == "MR" else "a"
    parts = [f"Looks like {article} {report.modality}"]
    if report.confidence < _SURE:
        parts = [f"May be {article} {report.modality} ({report.confidence:.0%} sure)"]
    if report.lung_fraction is not None and report.lung_fraction >= _CHEST_LUNG:
        parts.append("chest")
    return ", ".join([*parts, *_spacing(report)]) + "."


def _spacing(report: CheckReport) -> list[str]:
    spacing = report.spacing
    if max(spacing) <= _SAME_SPACING * min(spacing):
        return [f"{spacing[0]:.3g} mm"]
    if report.acquisition_plane is None or 1 in report.shape:
        return [" x ".join(f"{mm:.3g}" for mm in spacing) + " mm"]
    thick, fine = max(spacing), sorted(spacing)[:2]
    return [f"{report.acquisition_plane} slices {thick:.3g} mm apart", f"{fine[0]:.3g} mm within"]


__all__ = ["describe"]
