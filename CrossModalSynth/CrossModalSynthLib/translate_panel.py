"""The tab "Translate": choose a scan, see what it is, press one button, compare the result with the scan."""

import json

import slicer
import vtk
from slicer.i18n import tr as _
from slicer.util import VTKObservationMixin

from CrossModalSynthLib.advanced import Advanced
from CrossModalSynthLib.comparison import Comparison
from CrossModalSynthLib.messages import Messages
from CrossModalSynthLib.questions import agreesToLicence
from CrossModalSynthLib.runs import Runs
from CrossModalSynthLib.session import failureOf
from CrossModalSynthLib.watch import Watch
from SynthLogic.scene import is_synthetic
from SynthLogic.scene.nodes import nodes_of_class

# Of failures: the input is to blame.
INPUT = "InputError"


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
        self.messages = Messages(ui)
        self.advanced = Advanced(ui, session, installation, self.messages.showFailure)
        self.comparison = Comparison(ui, session, self.messages.showFailure)
        self.watch = Watch(session, self._onSeen, self._onNotSeen, self._show)
        self.queue = Runs(ui, session, self.messages.note, self._onFinished, self._onFailed)
        self._parameters = None
        self._scan, self._model, self._force = None, "", False
        # What was clicked while the scan had to be looked at again.
        self._wanted = None
        ui.synthesizeButton.connect("clicked(bool)", self._onSynthesize)
        ui.lookAgainButton.connect("clicked(bool)", self._onLookAgain)
        ui.forceButton.connect("clicked(bool)", self._onForce)
        session.changed.append(self._onSession)
        session.bundlesListed.append(self._onBundlesListed)
        self._show()

    # -- what the module tells ------------------------------------------------------------------------------

    def enter(self):
        """The user came to the module: look at what is chosen, or choose what is shown."""
        if self._parameters is not None and self._parameters.scan is None:
            self._parameters.scan = _shownVolume()
        self._onParameters()
        if self._scan is not None and self._look is None and self.watch.failure is None:
            self._lookAtScan()

    def exit(self):
        """The user left the module; runs go on, flicker does not."""
        self.comparison.pause()

    def cleanup(self):
        """The module ends."""
        self.comparison.stop()
        self.sceneCloses()
        self.session.changed.remove(self._onSession)
        self.session.bundlesListed.remove(self._onBundlesListed)
        self.session.needed.remove(self.queue.any)

    def sceneCloses(self):
        """Runs belong to their scene."""
        self.queue.cancelAll()
        self.comparison.forget()
        self._choose(None)

    @property
    def runs(self):
        """The running Translation and those that wait."""
        return self.queue.all

    def setParameterNode(self, parameters):
        """Follow the choices in this parameter node, or none."""
        self.removeObservers(self._onParameters)
        self._parameters = parameters
        self.advanced.follow(parameters)
        if parameters is None:
            return
        self.addObserver(parameters.parameterNode, vtk.vtkCommand.ModifiedEvent, self._onParameters)
        self._onParameters()

    # -- choices --------------------------------------------------------------------------------------------

    def _onParameters(self, caller=None, event=None):
        if self._parameters is None:
            return
        self.advanced.follow(self._parameters)
        scan, model = self._parameters.scan, self._parameters.bundle
        if scan is not self._scan:
            self._model = model
            self._choose(scan)
        elif model != self._model:
            self._model = model
            self._lookForBundle()

    def _onBundlesListed(self, bundles, changed):
        """``changed`` was just imported or removed, or nothing was."""
        if changed is not None and self._model in ("", changed) and self._parameters is not None:
            if self._model in ("", *(bundle["name"] for bundle in bundles)):
                self._lookForBundle()
            else:
                self.messages.note(_("{name} is gone; the best bundle takes its place").format(name=changed))
                self._parameters.bundle = ""
        self.advanced.listBundles(bundles)

    # -- the scan -------------------------------------------------------------------------------------------

    @property
    def _look(self):
        return self.watch.look

    @property
    def _answer(self):
        return self.watch.answer

    def _choose(self, scan):
        """Look at another scan, or at none."""
        self._scan = scan
        self.messages.hide()
        self._forgetDecisions()
        self.watch.choose(scan, self._model)
        self._lookAtScan()

    def _lookAtScan(self):
        """Look at once, if there is what it takes."""
        self._forgetDecisions()
        self.messages.hideOfLook()
        if not self.installation.missing():
            self.watch.lookAnew()
        self._show()

    def _lookForBundle(self):
        """The same scan for what is the chosen, or best, bundle now."""
        if self._scan is None or self.installation.missing():
            return
        self.messages.hide()
        self._forgetDecisions()
        self.watch.again(self._model)
        self._show()

    def _forgetDecisions(self):
        self._force, self._wanted = False, None

    def _onLookAgain(self, checked=False):
        self.messages.hide()
        self._lookAtScan()

    def _onForce(self, checked=False):
        self._force = True
        self.messages.hide()
        self._show()

    def _onSeen(self, answer):
        self._force = False
        self.messages.hideOfLook()
        stopping = [f for f in answer["report"]["findings"] if f["level"] == "error" or f["needs_force"]]
        if stopping:
            self.messages.show(
                "\n".join(f["message"] for f in stopping),
                json.dumps(answer["report"], indent=1),
                canForce=all(f["needs_force"] for f in stopping),
                ofLook=True,
            )
        elif answer["problem"]:
            self.messages.show(answer["problem"], "", ofLook=True)
        wanted = self._wanted
        if not self.watch.due:
            self._wanted = None
        self._show()
        due = wanted is not None and self._wanted is None and self._canStart()
        if due and answer["target"] == wanted["request"]["target"]:
            self._start(wanted)

    def _onNotSeen(self, failure):
        self._wanted = None
        self.messages.showFailure(failure, ofLook=True)
        self._show()

    def _canStart(self):
        answer = self._answer
        return (
            answer is not None
            and bool(answer["bundle"] and answer["target"])
            and (self._force or not answer["stopped"])
        )

    def _show(self):
        """What the scan is, what the button does, and whether it can be pressed."""
        seen, button, enabled = _("Choose a scan to begin."), _("Synthesize"), False
        answer, failure = self._answer, self.watch.failure
        if self.installation.missing():
            seen = _("Before the first translation, some libraries have to be installed.")
            button, enabled = _("Install what is needed..."), True
        elif answer is not None:
            lines = [answer["line"]]
            if answer["stopped"] and not self._force:
                lines.append(_("It cannot be translated as it is."))
            elif self._canStart():
                lines.append(
                    _("Makes a synthetic {target} with {bundle}.").format(
                        target=answer["target"], bundle=answer["bundle"]["title"]
                    )
                )
                enabled = self._wanted is None
            if answer["target"]:
                button = _("Synthesize MR") if answer["target"] == "MR" else _("Synthesize CT")
            lines += [f["message"] for f in answer["report"]["findings"] if self._isNote(f)]
            if self._wanted is not None:
                lines.append(_("Begins once the scan, which has changed, was looked at again."))
            seen = "\n".join(lines)
        elif self._look is not None:
            seen = _("Looking at the scan...")
        elif failure is not None and failure.kind == INPUT:
            seen = _("This scan cannot be translated as it is.")
        elif failure is not None:
            seen = _("The scan could not be looked at, through no fault of its own.")
        if self._scan is not None and is_synthetic(self._scan) and answer is not None:
            seen += "\n" + _("This image is synthetic itself: errors would add up.")
        self.ui.seenLabel.text = seen
        self.ui.synthesizeButton.text = button
        self.ui.synthesizeButton.enabled = enabled
        self.ui.lookAgainButton.visible = failure is not None and failure.kind != INPUT
        self.queue.show()
        self.advanced.showWorker()

    def _isNote(self, finding):
        return finding["level"] == "warning" and not finding["needs_force"]

    # -- runs -----------------------------------------------------------------------------------------------

    def _onSynthesize(self, checked=False):
        if self.installation.missing():
            self._install()
            return
        if not self._canStart():
            return
        wanted = self._order()
        if self.watch.due:
            # What is known may no longer be true: look first, then begin.
            self._wanted = wanted
            self.watch.settle()
        else:
            self._start(wanted)

    def _install(self):
        if self.installation.ask():
            self.session.client.submit("try_device", finished=self._onTried, failed=self.messages.showFailure)
            self._lookAtScan()
        else:
            self._show()

    def _onTried(self, answer):
        show = slicer.util.infoDisplay if answer["works"] else slicer.util.warningDisplay
        show(answer["message"], windowTitle=_("Cross-Modal Synthesis"))

    def _order(self):
        """What is chosen now, as arguments of a Translation."""
        parameters = self._parameters
        request = {
            "target": self._answer["target"],
            "model": parameters.bundle or None,
            "device": parameters.device,
            "precision": parameters.precision,
            "planes": parameters.planes.split(",") if parameters.planes else None,
        }
        return {"request": request, "region": parameters.region, "name": parameters.outputName}

    def _start(self, order):
        scan = self._scan
        order["request"]["force"] = self._force
        self.messages.hide()
        self.queue.add(slicer.mrmlScene, scan, **order, uploaded=lambda: self.watch.uploadOf(scan))

    def _onFinished(self, node):
        self.advanced.showWorker()
        try:
            self.comparison.show(node)
        except Exception as error:
            self.messages.showFailure(failureOf(error))

    def _onFailed(self, run, failure):
        self.advanced.showWorker()
        if failure.kind == "ConsentRequired":
            self.session.later(lambda: self._askConsent(run, failure))
        else:
            self.messages.showFailure(failure)

    def _askConsent(self, run, failure):
        """After a consent the same once more, whatever is chosen by then."""
        if (
            slicer.mrmlScene.IsNodePresent(run.node)
            and agreesToLicence(failure)
            and slicer.mrmlScene.IsNodePresent(run.node)
        ):
            self.messages.hide()
            self.queue.add(slicer.mrmlScene, run.node, **run.again, consent=True)

    def _onSession(self):
        self.advanced.showWorker()
        self.messages.followWorker(self.session.client.log_text)


def _shownVolume():
    """The volume that the slice views show, or None."""
    for view in nodes_of_class(slicer.mrmlScene, "vtkMRMLSliceCompositeNode"):
        node = slicer.mrmlScene.GetNodeByID(view.GetBackgroundVolumeID() or "")
        if node is not None and node.IsA("vtkMRMLScalarVolumeNode") and not is_synthetic(node):
            return None if node.IsA("vtkMRMLLabelMapVolumeNode") else node
    return None
