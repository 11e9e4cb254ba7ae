"""The plain data of tasks about hearts, as requests and scans."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from SynthLogic.errors import BundleError
from SynthLogic.worker.scans import Scans

if TYPE_CHECKING:
    from SynthLogic.inference import Progress
    from SynthLogic.jobs.heart_desk import Hearts, Reference

Tell = Callable[[int, int, str, str], None]
Cancel = Callable[[], bool]
Data = dict[str, Any]


class HeartData:
    """What tasks keep, and how they read STYLE and consent; see ``hearts``."""

    def __init__(self, scans: Scans) -> None:
        self.scans = scans
        self._hearts: Hearts | None = None
        # Scans and labels that may be used, by their hashes and whether that was forced.
        self._checked: set[tuple[str, str, bool]] = set()

    @property
    def used(self) -> bool:
        """Whether any task has asked for ``hearts``."""
        return self._hearts is not None

    @property
    def hearts(self) -> Hearts:
        """Networks, prepared hearts and styles."""
        from SynthLogic.jobs.heart_desk import Hearts

        self._hearts = self._hearts or Hearts()
        return self._hearts

    def style(self, data: Data | None, force: bool = False) -> tuple[Data | None, Reference | None]:
        """A STYLE as a request has it, and its scan; ``force`` as the task's.

        Raises:
            InputError: see ``jobs.reference.checked_reference``.
        """
        from SynthLogic.jobs.heart_desk import Reference
        from SynthLogic.jobs.reference import checked_reference

        if data is None or data.get("kind") != "scan":
            return data, None
        labels = self.hearts.heart(self.scans.open(data["labels"]), name="The reference's labels")
        image = self.scans.open(data["image"])
        key = (image.content_hash, labels.content_hash, force)
        if key not in self._checked:
            checked_reference(image, labels, force)
            self._checked.add(key)
        return {"kind": "scan"}, Reference(image, labels)

    def agree(self, arguments: Data) -> None:
        """Remember that the user has agreed to restricted licences, if that was said."""
        if not arguments.get("consent"):
            return
        from SynthLogic.bundles import ConsentRequired, find
        from SynthLogic.jobs.choose import choose_for

        for task, key in (("paint", "model"), ("label-vae", "codec")):
            try:
                choose_for(task, arguments.get(key))  # type: ignore[arg-type]
            except ConsentRequired as question:
                find(question.name, consent=True)
            except BundleError:
                continue  # whoever needs it says so


def shared(arguments: Data) -> Data:
    """What every request has."""
    names = ("model", "device", "precision", "force")
    return {name: arguments[name] for name in names if arguments.get(name) is not None}


def teller(tell: Tell) -> Callable[[Progress], None]:
    """A progress callback that tells the window."""
    return lambda step: tell(step.done, step.total, step.unit, step.message)


__all__ = ["Cancel", "Data", "HeartData", "Tell", "shared", "teller"]
