"""What a worker can do. Tasks take plain data and answer with plain data; voxels lie in mapped files."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from SynthLogic.errors import BundleError, Cancelled, ConfigError
from SynthLogic.worker import devices, models
from SynthLogic.worker.hearts import HeartTasks
from SynthLogic.worker.scans import Scans, open_region, save_results, under

if TYPE_CHECKING:
    from SynthLogic.bundles import Bundle
    from SynthLogic.inference import Progress
    from SynthLogic.jobs import TranslateRequest, Warm

Tell = Callable[[int, int, str, str], None]
Cancel = Callable[[], bool]
Data = dict[str, Any]


class Tasks:
    """Runs tasks by their name and keeps what makes the next one start sooner."""

    def __init__(self) -> None:
        self._scans = Scans()
        self._hearts = HeartTasks(self._scans)
        self._warm: Warm | None = None
        self._tasks: dict[str, Callable[[Data, Tell, Cancel], Data]] = {
            "check": self._check,
            "translate": self._translate,
            "warm": self._warm_up,
            "release": self._release,
            "models": lambda arguments, *_: models.listed(),
            "verify": lambda arguments, *_: models.verify(**arguments),
            "import": lambda arguments, *_: self._changing(models.import_(**arguments)),
            "remove": lambda arguments, *_: self._changing(models.remove(**arguments)),
            "devices": lambda arguments, *_: devices.devices(),
            "try_device": lambda arguments, *_: devices.try_device(**arguments),
            **self._hearts.tasks,
        }

    def run(self, kind: str, arguments: Data, tell: Tell, cancel: Cancel) -> Data:
        """Run the task ``kind``.

        Raises:
            ConfigError: no such task.
            Cancelled: ``cancel`` said so.
            Exception: whatever the task raises.
        """
        if kind not in self._tasks:
            raise ConfigError(
                f"The worker has no task {kind!r}; window and worker are of different versions."
            )
        if cancel():
            raise Cancelled("Cancelled; nothing was written.")
        return self._tasks[kind](arguments, tell, cancel)

    @property
    def _kept(self) -> Warm:
        from SynthLogic.jobs import Warm

        self._warm = self._warm or Warm()
        return self._warm

    def _check(self, arguments: Data, tell: Tell, cancel: Cancel) -> Data:
        """``scan``; optionally ``target``, ``model``, ``parent_transform``."""
        from SynthLogic.bundles import ConsentRequired, look_up, pick
        from SynthLogic.jobs import check_scan, describe

        scan = self._scans.open(arguments["scan"])
        seen = under(scan, arguments.get("parent_transform"))

        def report(bundle: Bundle | None, to: str | None = None) -> Any:
            card = bundle.card if bundle else None
            if bundle is None and to is not None:
                return check_scan(seen, None, to)
            return self._kept.report(scan, seen.volume, bundle, lambda: check_scan(seen, card))

        target, bundle, why, problem = arguments.get("target"), None, "", ""
        found = report(None, target)
        source = {"CT": "MR", "MR": "CT"}.get(target) if target else found.modality
        try:
            if arguments.get("model"):
                # Looking needs no consent.
                named = look_up(arguments["model"])
                named.card.expect("translate")
                if not named.card.scan_alone:
                    raise BundleError(
                        f"Bundle {named.name!r} also needs a label map of the scan, which cannot be given "
                        "here; choose another one."
                    )
                bundle = named
                why = f"{bundle.name} {bundle.version} was asked for."
            elif source is not None:
                bundle, why = pick(source, "CT" if source == "MR" else "MR")
        except ConsentRequired as question:
            bundle, problem = look_up(question.name), str(question)
        except BundleError as error:
            problem = str(error)
        if bundle is not None and not found.errors:
            found = report(bundle)
            target = bundle.card.output.modality
        return {
            "line": describe(found),
            "report": found.model_dump(mode="json"),
            "target": target,
            "bundle": None if bundle is None else {"name": bundle.name, "title": bundle.card.title},
            "why": why,
            "problem": problem,
            "stopped": any(f.level == "error" or f.needs_force for f in found.findings),
        }

    def _translate(self, arguments: Data, tell: Tell, cancel: Cancel) -> Data:
        """``request``, ``scan``; results "image", "disagreement"; optionally ``region``, ``consent``."""
        from SynthLogic.jobs import translate_volume

        request = self._request(arguments)
        scan = self._scans.open(arguments["scan"])
        region = None if arguments.get("region") is None else open_region(arguments["region"])

        def progress(step: Progress) -> None:
            tell(step.done, step.total, step.unit, step.message)

        result, record = translate_volume(request, scan, progress, cancel, region=region, warm=self._kept)
        made = {"image": result.volume.array}
        if result.disagreement is not None:
            made["disagreement"] = result.disagreement.array
        names = save_results(arguments, made)
        if cancel():
            raise Cancelled("Cancelled; nothing was written.")
        return {
            "dtype": result.volume.array.dtype.name,
            "results": names,
            "record": record.model_dump(mode="json"),
        }

    def _warm_up(self, arguments: Data, tell: Tell, cancel: Cancel) -> Data:
        """Import everything; with ``request``, also bring its network to its device."""
        from SynthLogic.inference import Engine, device_name  # noqa: F401
        from SynthLogic.jobs.choose import choose_bundle

        if not arguments.get("request"):
            return {"device": None}
        request = self._request(arguments)
        engine = self._kept.engine(choose_bundle(request)[0], request.device, request.precision)
        return {"device": str(engine.device), "name": device_name(engine.device)}

    def _release(self, arguments: Data, tell: Tell, cancel: Cancel) -> Data:
        self._kept.release()
        self._hearts.release()
        return {}

    def _changing(self, answer: Data) -> Data:
        """After the store of bundles has changed."""
        self._hearts.forget_bundles()
        return answer

    def _request(self, arguments: Data) -> TranslateRequest:
        from SynthLogic.bundles import ConsentRequired, find
        from SynthLogic.jobs import TranslateRequest
        from SynthLogic.jobs.choose import choose_bundle

        request = TranslateRequest.from_data(arguments["request"])
        if arguments.get("consent"):
            try:
                choose_bundle(request)
            except ConsentRequired as question:
                find(question.name, consent=True)
        return request


__all__ = ["Tasks"]
