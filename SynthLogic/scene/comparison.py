"""A result over its scan in all slice views, with opacity and flicker, and back to what was shown before."""

from __future__ import annotations

from dataclasses import dataclass

from SynthLogic.scene.nodes import Node, Scene, nodes_of_class


@dataclass(frozen=True)
class _Shown:
    """What a slice view showed before."""

    background: str | None
    foreground: str | None
    opacity: float
    compositing: int


class Overlay:
    """A scan as background and a result as foreground of every slice view.

    Views that appear later are taken in by the next call; those for which the user has chosen something else
    since are left alone. It has no timer of its own for ``flicker``.

    Args:
        scene: of both nodes.
        scan: volume node.
        result: volume node.
        instead: take in only views that show the pair of this overlay, which ``restore`` then brings back.
    """

    def __init__(self, scene: Scene, scan: Node, result: Node, *, instead: Overlay | None = None) -> None:
        self._scene, self._instead = scene, instead
        self._scan, self._result = scan.GetID(), result.GetID()
        self._before: dict[str, _Shown] = {}
        self._opacity = 0.5

    def show(self, opacity: float = 0.5) -> None:
        """Show the result over the scan in all slice views with an opacity from 0 to 1."""
        if not 0 <= opacity <= 1:
            raise ValueError(f"opacity is {opacity}; it must lie from 0 to 1")
        self._opacity = opacity
        self._show(opacity)

    def flicker(self, result: bool) -> None:
        """Show the result alone, or the scan alone; views only blend anew. ``show`` brings both back."""
        self._show(1.0 if result else 0.0)

    @property
    def opacity(self) -> float:
        """What ``show`` was last called with."""
        return self._opacity

    def restore(self) -> None:
        """Show again what each view showed before, unless the user chose something else for it meanwhile."""
        for identity, before in self._before.items():
            view = self._scene.GetNodeByID(identity)
            if view is None or not self._is_ours(view):
                continue
            modifying = view.StartModify()
            view.SetBackgroundVolumeID(self._present(before.background))
            view.SetForegroundVolumeID(self._present(before.foreground))
            view.SetForegroundOpacity(before.opacity)
            view.SetCompositing(before.compositing)
            view.EndModify(modifying)
        self._before.clear()

    def _show(self, opacity: float) -> None:
        for view in nodes_of_class(self._scene, "vtkMRMLSliceCompositeNode"):
            if view.GetID() in self._before:
                if self.is_shown_in(view):
                    view.SetForegroundOpacity(opacity)
            elif self._instead is None or self._instead.is_shown_in(view):
                self._take_in(view, opacity)

    def _take_in(self, view: Node, opacity: float) -> None:
        self._before[view.GetID()] = _Shown(
            view.GetBackgroundVolumeID(),
            view.GetForegroundVolumeID(),
            view.GetForegroundOpacity(),
            view.GetCompositing(),
        )
        modifying = view.StartModify()
        view.SetBackgroundVolumeID(self._present(self._scan))
        view.SetForegroundVolumeID(self._present(self._result))
        view.SetForegroundOpacity(opacity)
        view.SetCompositing(view.Alpha)
        view.EndModify(modifying)

    def is_shown_in(self, view: Node) -> bool:
        """Whether a slice view (its composite node) shows this pair."""
        return (view.GetBackgroundVolumeID(), view.GetForegroundVolumeID()) == (self._scan, self._result)

    def _is_ours(self, view: Node) -> bool:
        # The scene empties a view whose volume is removed.
        return view.GetBackgroundVolumeID() in (self._present(self._scan), None) and (
            view.GetForegroundVolumeID() in (self._present(self._result), None)
        )

    def _present(self, identity: str | None) -> str | None:
        return identity if identity and self._scene.GetNodeByID(identity) is not None else None
