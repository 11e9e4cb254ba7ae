"""The tab "Generate": choose labels of a heart, choose a style, press one button, see the MR."""

import json
import uuid

import slicer
import vtk
from slicer.i18n import tr as _
from slicer.util import VTKObservationMixin

from CrossModalSynthLib.heart_picker import HeartPicker
from CrossModalSynthLib.heart_view import defaultHeart, showPainted, volumesText
from CrossModalSynthLib.heart_work import HeartWork
from CrossModalSynthLib.known_styles import KnownStyles
from CrossModalSynthLib.style_chooser import StyleChooser
from SynthLogic.scene import PendingVolume
from SynthLogic.scene.heart_results import add_painted
from SynthLogic.volume import Grid
from SynthLogic.worker import copy_in_steps


class GeneratePanel(VTKObservationMixin):
    """Owns the widgets of GeneratePanel.ui.

    Args:
        ui: its widgets by name, with ``heart``, ``style`` and ``run``, those of the pieces in it.
        session: of the module.
        installation: what has to be installed before the worker can run.
    """

    def __init__(self, ui, pieces, session, installation):
        VTKObservationMixin.__init__(self)
        self.ui, self.session, self.installation = ui, session, installation
        self.work = HeartWork(pieces["run"], session, self._show)
        self._parameters, self._active = None, False
        self._seen, self._looked, self._looking = None, None, None
        self._scene = uuid.uuid4().hex
        # Whether the user goes on in spite of a doubt, and the scan that lent its style when that was said.
        self._force, self._lender = False, None
        self.known = KnownStyles(session, installation, self._onStyles, self.work.messages.showFailure)
        self.picker = HeartPicker(pieces["heart"], session, "heart", self._onHeart)
        self.style = StyleChooser(pieces["style"], session, "heart", self._onStyle)
        ui.generateButton.connect("clicked(bool)", self._onGenerate)
        pieces["run"].forceButton.connect("clicked(bool)", self._onForce)
        self._show()

    # -- what the module tells ------------------------------------------------------------------------------

    def enter(self):
        """The user came to the module."""

    def exit(self):
        """The user left the module; runs go on."""

    def show(self, active):
        """The tab is shown, or hidden."""
        self._active = active
        if active and self._parameters is not None and self._parameters.heart is None:
            self._parameters.heart = defaultHeart()
        self.known.show(active)
        if active:
            self._look()
            self._show()

    def cleanup(self):
        """The module ends."""
        self.sceneCloses()
        self.known.cleanup()
        self.work.cleanup()

    def sceneCloses(self):
        """Runs belong to their scene."""
        self.work.drop()
        self.picker.source.stop()
        self.style.stop()
        self._scene = uuid.uuid4().hex
        self._seen = self._looked = None
        self.ui.resultLabel.visible = False

    def setParameterNode(self, parameters):
        """Follow the choices in this parameter node, or none."""
        self.removeObservers(self._onParameters)
        self._parameters = parameters
        if parameters is None:
            return
        self.addObserver(parameters.parameterNode, vtk.vtkCommand.ModifiedEvent, self._onParameters)
        self._onParameters()

    def _onParameters(self, caller=None, event=None):
        if self._parameters is not None:
            self.picker.follow(self._parameters)
            self.style.follow(self._parameters)
            self._onStyle()

    # -- what is there --------------------------------------------------------------------------------------

    def _onStyles(self, answer):
        self.style.listStyles(answer["styles"])
        self._show()

    def _onHeart(self):
        self._look()
        self._show()

    def _look(self):
        """Let the worker look at the labels as they are now, unless it has."""
        source = self.picker.source
        if not (self._active and source.usable) or self.installation.missing():
            return
        source.prepare(self._onUploaded, lambda failure: self.work.messages.showFailure(failure, ofLook=True))

    def _onUploaded(self, upload):
        if upload is self._looked or not self._active:
            return
        self._looked, self._seen, self._force = upload, None, False
        self.work.messages.hideOfLook()
        if self._looking is not None:
            self.session.client.withdraw(self._looking)
        self._looking = self.session.client.submit(
            "heart_open",
            {"labels": upload.reference(), "encode": False},
            uploads=[upload],
            finished=lambda answer: self._onSeen(upload, answer),
            failed=lambda failure: self._onNotSeen(upload, failure),
        )
        self._show()

    def _onSeen(self, upload, answer):
        if upload is not self._looked:
            return
        self._seen, self._looking = answer, None
        self._tellDoubts()
        self._show()

    def _tellDoubts(self):
        if self._doubts():
            self.work.messages.show("\n".join(self._doubts()), canForce=True, ofLook=True)

    def _onStyle(self):
        """Who goes on in spite of a doubt about one scan has said nothing of the next."""
        if self.style.lender != self._lender:
            self._lender, self._force = self.style.lender, False
            self.work.messages.hide()
            self._tellDoubts()
        self._show()

    def _onNotSeen(self, upload, failure):
        if upload is self._looked:
            self._looking = None
            self.work.messages.showFailure(failure, ofLook=True)
            self._show()

    def _onForce(self, checked=False):
        # A doubt about the labels comes before the button was pressed, one about a reference scan after it.
        pressed = not self._doubts()
        self._force = True
        self.work.messages.hide()
        self._show()
        if pressed:
            self._paint(False)

    def _doubts(self):
        """What speaks against the labels as they were seen, in sentences."""
        findings = [] if self._seen is None else self._seen["findings"]
        return [f["message"] for f in findings if f["needs_force"]]

    def _show(self):
        """What the heart is, what the button does, and whether it can be pressed."""
        source = self.picker.source
        text, button = _("Choose a segmentation of the heart to begin."), _("Generate MR")
        enabled = source.usable and not self.work.busy and (self._force or not self._doubts())
        if self.installation.missing():
            text = _("Before the first image, some libraries have to be installed.")
            button, enabled = _("Install what is needed..."), True
        elif self.known.problem("bundle"):
            text, enabled = self.known.problem("bundle"), False
        elif source.problem:
            text = _("It cannot be painted as it is.")
        elif source.usable and self._seen is not None:
            lines = [seenText(self._seen)]
            lines += [f["message"] for f in self._seen["findings"] if not f["needs_force"]]
            text = "\n".join(lines)
        elif source.usable:
            text = _("Looking at the heart...") if self._looking is not None else _("Ready.")
        self.ui.seenLabel.text = text
        self.ui.generateButton.text = button
        self.ui.generateButton.enabled = enabled

    # -- painting -------------------------------------------------------------------------------------------

    def _onGenerate(self, checked=False):
        if self.installation.missing():
            if self.installation.ask():
                self.known.ask()
                self._look()
            self._show()
            return
        self._paint(False)

    def _paint(self, consent):
        source, node, scene = self.picker.source, self.picker.node, slicer.mrmlScene
        if self.work.busy or node is None or not scene.IsNodePresent(node):
            return
        held, taken, matrix = [], [], None

        def release():
            while held:
                held.pop().release()
            while taken:
                taken.pop().close()

        self.work.begin(_("MR of {title}").format(title=node.GetName()), self._paint, release)
        arguments = {
            "segmentation": f"{self._scene}:{node.GetID()}",
            "keep_frame": True,
            "force": self._force,
            "consent": consent,
        }
        fail = self.work.guarded(self.work.fail)

        def hold(*uploads):
            for upload in uploads:
                upload.hold()
                held.append(upload)

        def labelled(upload):
            nonlocal matrix
            hold(upload)
            matrix = source.ownMatrix()
            arguments["labels"] = upload.reference()
            self.style.prepare(self.work.guarded(styled), fail)

        def styled(style, uploads):
            hold(*uploads)
            arguments["style"] = style
            labels = held[0]
            self.work.submit("heart_paint", arguments, [labels, *uploads], ["image"], painted)

        def painted(result):
            taken.append(result)
            self._take(result, node, matrix)

        source.prepare(self.work.guarded(labelled), fail)

    def _take(self, result, node, matrix):
        """Copy the image a little at a time, then add it whole."""
        answer, image = result.answer, result.arrays["image"]

        pending = PendingVolume(Grid(image.shape, matrix), image.dtype)

        def arrived():
            made = add_painted(slicer.mrmlScene, pending, node, json.dumps(answer["record"]))
            self._tell(made, answer)
            showPainted(made, node)
            self.work.end(_("Done: {name}").format(name=made.GetName()))

        self.work.spread(copy_in_steps(image, pending.array), arrived)

    def _tell(self, made, answer):
        first = _("Made {name}.") if answer["frame"] == "new" else _("Made {name}; only the anatomy changed.")
        lines = [first.format(name=made.GetName()), *answer["warnings"]]
        self.ui.resultLabel.text = "\n".join(lines)
        self.ui.resultLabel.visible = True


def seenText(answer):
    """One line about a heart as the worker saw it."""
    return _("{slices} slices, {length:.0f} mm from apex to base. {volumes}").format(
        slices=answer["slices"], length=answer["length_mm"], volumes=volumesText(answer["volumes_ml"])
    )
