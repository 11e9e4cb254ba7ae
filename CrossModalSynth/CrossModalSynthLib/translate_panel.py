"""The tab "Translate": choose a scan, see what it is, press one button, compare the result with the scan."""

import json

import qt
import slicer
import vtk
from slicer.i18n import tr as _
from slicer.util import VTKObservationMixin

from CrossModalSynthLib.comparison import Comparison
from CrossModalSynthLib.look import Look
from CrossModalSynthLib.session import failureOf
from CrossModalSynthLib.translation import CANCELLED, Translation
from SynthLogic.scene import is_synthetic
from SynthLogic.scene.nodes import nodes_of_class

ALL_PLANES = "axial,coronal,sagittal"
OVERLAP = 400


class TranslatePanel(VTKObservationMixin):
    """Owns the widgets of TranslatePanel.ui.

    Args:
        ui: its widgets by name.
        session: of the module.
        installation: what has to be installed before the worker can run.
    """

    def __init__(self, ui, session, installation):
        VTKObservationMixin.__init__(self)
        self.ui, self.session, self.installation = ui, session, installation
        self.comparison = Comparison(ui, session, self.showFailure)
        self.runs = []
        self._parameters = None
        self._scan = self._look = self._force = None
        self._log = ""
        self._details = ""
        for label, value in (
            (_("Automatic"), "auto"),
            (_("Full (fp32)"), "fp32"),
            (_("Fast (bf16)"), "bf16"),
        ):
            ui.precisionSelector.addItem(label, value)
        ui.planesSelector.addItem(_("As the bundle was made"), "")
        ui.planesSelector.addItem(_("All three, their median"), ALL_PLANES)
        ui.bundleSelector.addItem(_("Best for this scan"), "")
        ui.deviceSelector.addItem(_("Automatic"), "auto")
        self._choices = {
            "bundle": ui.bundleSelector,
            "device": ui.deviceSelector,
            "precision": ui.precisionSelector,
            "planes": ui.planesSelector,
        }
        for selector in self._choices.values():
            selector.connect("currentIndexChanged(int)", self._onChoice)
        ui.synthesizeButton.connect("clicked(bool)", self._onSynthesize)
        ui.cancelButton.connect("clicked(bool)", self._onCancel)
        ui.forceButton.connect("clicked(bool)", self._onForce)
        ui.copyDetailsButton.connect("clicked(bool)", self._onCopyDetails)
        ui.dismissButton.connect("clicked(bool)", self._hideMessage)
        ui.advancedSection.connect("contentsCollapsed(bool)", self._onAdvanced)
        session.changed.append(self._onSession)
        self._show()

    # -- what the module tells ------------------------------------------------------------------------------

    def enter(self):
        """The user came to the module: look at what is chosen, or choose what is shown."""
        if self._parameters is not None and self._parameters.scan is None:
            self._parameters.scan = _shownVolume()
        self._onParameters()
        if self._scan is not None and self._look is None:
            self._lookAtScan()

    def exit(self):
        """The user left the module; runs go on, flicker does not."""
        self.comparison.pause()

    def cleanup(self):
        """The module ends."""
        self.comparison.stop()
        self.sceneCloses()
        self.session.changed.remove(self._onSession)

    def sceneCloses(self):
        """Runs belong to their scene."""
        for run in list(self.runs):
            run.cancel()
        self.comparison.forget()
        self._forgetScan()

    def setParameterNode(self, parameters):
        """Follow the choices in this parameter node, or none."""
        self.removeObservers(self._onParameters)
        self._parameters = parameters
        if parameters is None:
            return
        self.addObserver(parameters.parameterNode, vtk.vtkCommand.ModifiedEvent, self._onParameters)
        self._onParameters()

    # -- choices --------------------------------------------------------------------------------------------

    def _onParameters(self, caller=None, event=None):
        if self._parameters is None:
            return
        for name, selector in self._choices.items():
            value = getattr(self._parameters, name)
            index = selector.findData(value)
            if index < 0:
                # Saved with the scene; it is not known here, or not yet.
                selector.addItem(value, value)
                index = selector.count - 1
            wasBlocked = selector.blockSignals(True)
            selector.currentIndex = index
            selector.blockSignals(wasBlocked)
        scan, model = self._parameters.scan, self._parameters.bundle
        if scan is not self._scan:
            self._forgetScan()
            self._scan, self._model = scan, model
            self._observeScan()
            self._lookAtScan()
        elif scan is not None and model != self._model:
            self._model, self._force = model, False
            self._hideMessage()
            if self._look is None:
                self._lookAtScan()
            else:
                self._look.again(model)
                self._show()

    def _onChoice(self, index):
        if self._parameters is None:
            return
        for name, selector in self._choices.items():
            if getattr(self._parameters, name) != selector.currentData:
                setattr(self._parameters, name, selector.currentData)

    def _onAdvanced(self, collapsed):
        if collapsed or self.installation.missing():
            return
        self.session.client.submit("models", finished=self._onModels, failed=self.showFailure)
        self.session.client.submit("devices", finished=self._onDevices, failed=self.showFailure)

    def _onModels(self, answer):
        for bundle in answer["bundles"]:
            label = "{title} {version}".format(**bundle)
            _setItem(self.ui.bundleSelector, label, bundle["name"])

    def _onDevices(self, answer):
        for device in answer["devices"]:
            label = device["name"]
            if device["free"]:
                label = _("{name}, {free:.1f} of {total:.1f} GB free").format(
                    name=label, free=device["free"] / 2**30, total=device["total"] / 2**30
                )
            _setItem(self.ui.deviceSelector, label, device["device"])

    # -- the scan -------------------------------------------------------------------------------------------

    def _observeScan(self):
        node = self._scan
        if node is None:
            return
        self.addObserver(node, vtk.vtkCommand.ModifiedEvent, self._onScanModified)
        if node.IsA("vtkMRMLVolumeNode"):
            self.addObserver(node, slicer.vtkMRMLVolumeNode.ImageDataModifiedEvent, self._lookAtScan)
            self.addObserver(node, slicer.vtkMRMLTransformableNode.TransformModifiedEvent, self._lookAtScan)

    def _forgetScan(self):
        if self._scan is not None:
            self.removeObservers(self._onScanModified)
            self.removeObservers(self._lookAtScan)
        if self._look is not None:
            self._look.stop()
        self._scan = self._look = None
        self._force = False
        self._hideMessage()
        self._show()

    def _onScanModified(self, caller=None, event=None):
        """Spacing, origin and directions change without an event of their own."""
        if self._look is not None and not self._look.isCurrent():
            self._lookAtScan()

    def _lookAtScan(self, caller=None, event=None):
        if self._look is not None:
            self._look.stop()
            self._look = None
        self._hideMessage()
        self._force = False
        if self._scan is not None and not self.installation.missing():
            look = Look(
                self.session, slicer.mrmlScene, self._scan, self._model, self._onSeen, self._onNotSeen
            )
            # It may have failed at once.
            self._look = look if look.upload is not None or look._chore is not None else None
        self._show()

    def _onSeen(self, answer):
        self._hideMessage()
        stopping = [f for f in answer["report"]["findings"] if f["level"] == "error" or f["needs_force"]]
        if stopping:
            self._message(
                "\n".join(f["message"] for f in stopping),
                json.dumps(answer["report"], indent=1),
                canForce=all(f["needs_force"] for f in stopping),
            )
        elif answer["problem"]:
            self._message(answer["problem"], "")
        self._show()

    def _onNotSeen(self, failure):
        if self._look is not None:
            self._look.stop()
            self._look = None
        self.showFailure(failure)
        self._show()

    @property
    def _answer(self):
        return None if self._look is None else self._look.answer

    def _show(self, caller=None, event=None):
        """What the scan is, what the button does, and whether it can be pressed."""
        seen, button, enabled = _("Choose a scan to begin."), _("Synthesize"), False
        answer = self._answer
        if self.installation.missing():
            seen = _("Before the first translation, some libraries have to be installed.")
            button, enabled = _("Install what is needed..."), True
        elif answer is not None:
            lines = [answer["line"]]
            if answer["stopped"] and not self._force:
                lines.append(_("It cannot be translated as it is."))
            elif answer["bundle"] and answer["target"]:
                lines.append(
                    _("Makes a synthetic {target} with {bundle}.").format(
                        target=answer["target"], bundle=answer["bundle"]["title"]
                    )
                )
                enabled = True
            if answer["target"]:
                button = _("Synthesize MR") if answer["target"] == "MR" else _("Synthesize CT")
            lines += [f["message"] for f in answer["report"]["findings"] if self._isNote(f)]
            seen = "\n".join(lines)
        elif self._look is not None:
            seen = _("Looking at the scan...")
        elif self._scan is not None:
            seen = _("This scan cannot be translated as it is.")
        if self._scan is not None and is_synthetic(self._scan) and answer is not None:
            seen += "\n" + _("This image is synthetic itself: errors would add up.")
        self.ui.seenLabel.text = seen
        self.ui.synthesizeButton.text = button
        self.ui.synthesizeButton.enabled = enabled
        self._showProgress()

    def _isNote(self, finding):
        return finding["level"] == "warning" and not finding["needs_force"]

    # -- runs -----------------------------------------------------------------------------------------------

    def _onSynthesize(self, checked=False):
        if self.installation.missing():
            self._install()
            return
        self._start()

    def _install(self):
        if self.installation.ask():
            self.session.client.submit("try_device", finished=self._onTried, failed=self.showFailure)
            self._lookAtScan()
        self._show()

    def _onTried(self, answer):
        show = slicer.util.infoDisplay if answer["works"] else slicer.util.warningDisplay
        show(answer["message"], windowTitle=_("Cross-Modal Synthesis"))

    def _start(self):
        answer, parameters = self._answer, self._parameters
        if answer is None or answer["target"] is None:
            return
        request = {
            "target": answer["target"],
            "model": parameters.bundle or None,
            "device": parameters.device,
            "precision": parameters.precision,
            "planes": parameters.planes.split(",") if parameters.planes else None,
            "force": bool(self._force),
        }
        chosen = {"region": parameters.region, "name": parameters.outputName}
        self._run(self._scan, request, chosen, uploaded=self._look.upload)

    def _run(self, scan, request, chosen, **options):
        """Translate ``scan``; after a consent the same once more, whatever is chosen by then."""
        self._hideMessage()

        def agree():
            self._run(scan, request, chosen, consent=True)

        run = Translation(
            self.session,
            slicer.mrmlScene,
            scan,
            request,
            **chosen,
            **options,
            progress=lambda fraction, step: self._onProgress(run, fraction, step),
            finished=lambda node: self._onFinished(run, node),
            failed=lambda failure: self._onFailed(run, failure, agree),
        )
        self.runs.append(run)
        self._note(_("{title}: to be translated to {target}").format(title=run.title, target=run.target))
        run.start()
        self._showProgress()

    def _onCancel(self, checked=False):
        if self.runs:
            self.ui.cancelButton.enabled = False
            self.runs[0].cancel()

    def _onProgress(self, run, fraction, step):
        if self.runs and run is self.runs[0]:
            self.ui.progressBar.value = round(100 * fraction)
            self._showProgress(step)

    def _onFinished(self, run, node):
        self.runs.remove(run)
        self._note(_("{title}: done, {name}").format(title=run.title, name=node.GetName()))
        self._ended()
        try:
            self.comparison.show(node)
        except Exception as error:
            self.showFailure(failureOf(error))

    def _onFailed(self, run, failure, agree):
        self.runs.remove(run)
        self._note(f"{run.title}: {failure.message}")
        self._ended()
        if failure.kind == "ConsentRequired":
            self.session.later(lambda: self._askConsent(run.node, failure, agree))
        elif failure.kind != CANCELLED:
            self.showFailure(failure)

    def _askConsent(self, scan, failure, agree):
        if (
            slicer.mrmlScene.IsNodePresent(scan)
            and consents(failure)
            and slicer.mrmlScene.IsNodePresent(scan)
        ):
            agree()

    def _ended(self):
        self.ui.cancelButton.enabled = True
        self.ui.progressBar.value = 0
        self._showProgress()

    def _showProgress(self, step=None):
        self.ui.progressFrame.visible = bool(self.runs)
        if not self.runs:
            return
        run = self.runs[0]
        text = _("{target} from {title}").format(target=run.target, title=run.title)
        if step is None:
            starting = self.session.client.state == "starting"
            text += ": " + (_("starting the worker...") if starting else _("preparing..."))
        elif step.total:
            text += ": " + _unit(step)
            if step.seconds_left is not None:
                text += _(", {seconds:.0f} s left").format(seconds=step.seconds_left)
        if len(self.runs) > 1:
            text += "\n" + _("Waiting after it: {count}").format(count=len(self.runs) - 1)
        self.ui.progressLabel.text = text

    # -- messages -------------------------------------------------------------------------------------------

    def showFailure(self, failure):
        """Show what happened and what to do, with details to copy."""
        if failure.kind != CANCELLED:
            self._note(failure.message)
            self._message(failure.message, failure.detail)

    def _message(self, text, details, canForce=False):
        self._details = f"{text}\n\n{details}".strip()
        self.ui.messageLabel.text = text
        self.ui.forceButton.visible = canForce
        self.ui.messageFrame.visible = True

    def _hideMessage(self, checked=False):
        self.ui.messageFrame.visible = False

    def _onForce(self, checked=False):
        self._force = True
        self._hideMessage()
        self._show()

    def _onCopyDetails(self, checked=False):
        qt.QApplication.clipboard().setText(self._details)

    def _note(self, line):
        self.ui.logText.appendPlainText(line)

    def _onSession(self):
        """The worker's own log follows ours."""
        log, last = self.session.client.log_text, self._log[-OVERLAP:]
        # The client keeps the end of a long log; another worker begins anew.
        start = log.rfind(last) if last else -1
        new = log[start + len(last) :] if start >= 0 else log
        self._log = log
        if new.strip():
            self.ui.logText.appendPlainText(new.rstrip())


def consents(failure):
    """Ask whether the user agrees to a bundle's restricted licence."""
    question = _("The licence of this bundle asks for your consent, once:\n\n{notice}").format(
        notice=failure.data.get("notice", failure.message)
    )
    return slicer.util.confirmOkCancelDisplay(question, windowTitle=_("Cross-Modal Synthesis"))


def _unit(step):
    if step.unit == "tiles":
        return _("{done} of {total} blocks").format(done=step.done, total=step.total)
    return _("{done} of {total} slices").format(done=step.done, total=step.total)


def _setItem(selector, label, value):
    index = selector.findData(value)
    if index < 0:
        selector.addItem(label, value)
    else:
        selector.setItemText(index, label)


def _shownVolume():
    """The volume that the slice views show, or None."""
    for view in nodes_of_class(slicer.mrmlScene, "vtkMRMLSliceCompositeNode"):
        node = slicer.mrmlScene.GetNodeByID(view.GetBackgroundVolumeID() or "")
        if node is not None and node.IsA("vtkMRMLScalarVolumeNode") and not is_synthetic(node):
            return None if node.IsA("vtkMRMLLabelMapVolumeNode") else node
    return None
