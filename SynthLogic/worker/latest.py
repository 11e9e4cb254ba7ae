"""For what a hand drags: only the newest request counts, and nothing ever queues up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from SynthLogic.worker.runs import Run
from SynthLogic.worker.verdicts import CANCELLED, Failure
from SynthLogic.worker.voxels import Upload

if TYPE_CHECKING:
    from SynthLogic.worker.client import Client


@dataclass(eq=False)
class _Request:
    kind: str
    arguments: dict[str, Any] | None
    uploads: tuple[Upload, ...]
    results: tuple[str, ...]
    finished: Callable[[Any], None]
    failed: Callable[[Failure], None]


class Latest:
    """Holds one job of a client and at most one request that waits for it.

    A newer request takes the place of the waiting one, of which nothing is ever told. A job that the worker
    has not begun, because it does something else, counts as waiting. One that runs goes on to its end and its
    verdict is told: so there is always something to show while a slider is dragged.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._run: Run | None = None
        self._waiting: _Request | None = None
        self._replacing = False

    @property
    def idle(self) -> bool:
        """Whether nothing runs and nothing waits."""
        return self._run is None and self._waiting is None

    def ask(
        self,
        kind: str,
        arguments: dict[str, Any] | None = None,
        *,
        uploads: Sequence[Upload] = (),
        results: Sequence[str] = (),
        finished: Callable[[Any], None] = lambda outcome: None,
        failed: Callable[[Failure], None] = lambda failure: None,
    ) -> None:
        """Submit a job as soon as the one before has its verdict, unless something newer is asked until then.

        Arguments as in ``Client.submit``; uploads are held from now on.
        """
        request = _Request(kind, arguments, tuple(uploads), tuple(results), finished, failed)
        for upload in request.uploads:
            upload.hold()
        self._drop()
        self._waiting = request
        if self._run is None:
            self._submit()
            return
        self._replacing = True
        try:
            # Not begun: its verdict comes now and submits this one. Else nothing happens yet.
            self._client.withdraw(self._run)
        finally:
            self._replacing = False

    def clear(self) -> None:
        """Forget what waits; what runs goes on and its verdict is told."""
        self._drop()

    def _submit(self) -> None:
        request, self._waiting = self._waiting, None
        if request is None:
            return

        def ended(tell: Callable[[Any], None], outcome: Any) -> None:
            self._run = None
            try:
                if not (self._replacing and outcome is CANCELLED):
                    tell(outcome)
            finally:
                # The callback may have asked for something newer, which then runs already.
                if self._run is None:
                    self._submit()

        try:
            run = self._client.submit(
                request.kind,
                request.arguments,
                uploads=request.uploads,
                results=request.results,
                finished=lambda outcome: ended(request.finished, outcome),
                failed=lambda failure: ended(request.failed, failure),
            )
            self._run = run if run.outcome is None else self._run
        finally:
            for upload in request.uploads:
                upload.release()

    def _drop(self) -> None:
        dropped, self._waiting = self._waiting, None
        if dropped is not None:
            for upload in dropped.uploads:
                upload.release()


__all__ = ["Latest"]
