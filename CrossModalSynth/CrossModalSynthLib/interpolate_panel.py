"""The tab "Interpolate": a slider from heart A to heart B; outlines, surface and image follow the hand."""

import vtk
from slicer.i18n import tr as _
from slicer.util import VTKObservationMixin

from CrossModalSynthLib.heart_pair import HeartPair
from CrossModalSynthLib.heart_sequence import HeartSequence
from CrossModalSynthLib.heart_slider import HeartSlider
from CrossModalSynthLib.heart_view import defaultHeart, volumesText
from CrossModalSynthLib.heart_work import HeartWork
from CrossModalSynthLib.known_styles import KnownStyles
from CrossModalSynthLib.preview import Preview


class InterpolatePanel(VTKObservationMixin):
    """Owns the widgets of InterpolatePanel.ui.

    Args:
        ui: its widgets by name.
        pieces: those of the pieces in it: heartA, styleA, heartB, styleB, run.
        session: of the module.
        installation: what has to be installed before the worker can run.
    """

    def __init__(self, ui, pieces, session, installation):
        VTKObservationMixin.__init__(self)
        self.ui, self.session, self.installation = ui, session, installation
        self._parameters, self._active, self._state = None, False, None
        self._consent, self._force = False, False
        # What was chosen when that was said, and what the user would not agree to.
        self._chosen, self._declined = None, ""
        self.work = HeartWork(pieces["run"], session, self._show, self._onDeclined)
        self.known = KnownStyles(session, installation, self._onStyles, self.work.messages.showFailure)
        self.pair = HeartPair(pieces, session, self._onHeart, self._onStyle)
        self.preview = Preview()
        self.slider = HeartSlider(
            session,
            self.pair,
            self.preview,
            options=self._options,
            possible=self._canDraw,
            drawn=self._onDrawn,
            failed=self._onFailed,
            changed=self._show,
        )
        ui.pathSelector.addItem(_("Straight line"), "line")
        ui.pathSelector.addItem(_("Great circle"), "circle")
        ui.positionSlider.connect("valueChanged(double)", self._onChange)
        ui.slicesSpin.connect("valueChanged(int)", self._onChange)
        ui.pathSelector.connect("currentIndexChanged(int)", self._onChange)
        ui.paintCheck.connect("toggled(bool)", self._onPaint)
        ui.keepButton.connect("clicked(bool)", self._onKeep)
        ui.removeButton.connect("clicked(bool)", self._onRemove)
        ui.sequenceButton.connect("clicked(bool)", self._onSequence)
        pieces["run"].forceButton.connect("clicked(bool)", self._onForce)
        self._show()

    # -- what the module tells ------------------------------------------------------------------------------

    def enter(self):
        """The user came to the module."""

    def exit(self):
        """The user left the module; the preview stays."""

    def show(self, active):
        """The tab is shown, or hidden."""
        self._active = active
        if active and self._parameters is not None and self._parameters.heartA is None:
            self._parameters.heartA = defaultHeart()
        self.known.show(active)
        if active:
            self._onHeart()
            self.slider.resume()

    def cleanup(self):
        """The module ends: an unkept heart goes with it."""
        self._stop()
        self.preview.remove()
        self.slider.cleanup()
        self.known.cleanup()
        self.work.cleanup()

    def sceneCloses(self):
        """Everything belongs to its scene."""
        self._stop()
        self.work.drop()
        self.preview.forget()
        self._show()

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
            self.pair.follow(self._parameters)
            # Of a scan that lends its style only the parameters tell.
            if self._compare():
                self._onChange()

    def _stop(self):
        self.slider.stop()
        self.pair.stop()
        self._state, self._chosen, self._declined = None, None, ""

    # -- what is there --------------------------------------------------------------------------------------

    def _onStyles(self, answer):
        self.pair.listStyles(answer["styles"])
        # Perhaps of another bundle, with another licence.
        self._consent, self._declined = False, ""
        self._compare()
        if answer["bundle"] is None:
            self.ui.paintCheck.checked = False
        self._show()
        self._onChange()

    def _onHeart(self):
        """Another heart, an edit or a correction: what was drawn is no longer true."""
        now = self.pair.state
        if now != self._state:
            self._state = now
            self._force = False
            self._compare()
            self._onChange()
        self._show()

    def _onStyle(self):
        self._compare()
        self._onChange()

    def _compare(self):
        """Whether something else is chosen: what was said of a doubt or a licence was not said of that."""
        now = self.pair.chosen
        if now == self._chosen:
            return False
        self._chosen, self._force, self._declined = now, False, ""
        self.work.messages.hideOfLook()
        return True

    def _onPaint(self, checked=False):
        self._declined = ""
        self._onChange()

    def _onChange(self, *ignored):
        self.slider.change()

    def _onForce(self, checked=False):
        self._force = True
        self.work.messages.hide()
        self._onChange()

    def _usable(self):
        return self.known.has("codec") and self.pair.usable

    def _canDraw(self):
        free = not (self.work.busy or self.work.asking or self._declined)
        return self._active and self._usable() and free

    def _options(self):
        ui = self.ui
        return {
            "t": 0.0 if self.pair.alone else float(ui.positionSlider.value),
            "path": ui.pathSelector.currentData,
            "slices": int(ui.slicesSpin.value),
            "paint": "all" if ui.paintCheck.checked else "none",
            "consent": self._consent,
            "force": self._force,
        }

    def _show(self):
        usable, alone, shown = self._usable(), self.pair.alone, self.preview.shown
        text = _("Choose heart A; with heart B as well, everything between the two can be made.")
        if self.installation.missing():
            text = _("Some libraries have to be installed first: see the Translate tab.")
        elif self.known.problem("codec"):
            text = self.known.problem("codec")
        elif usable and self._declined:
            text = _(
                "Nothing is drawn, as the licence of {name} was not agreed to; choose another heart or "
                "style, or press a button, to be asked again."
            ).format(name=self._declined)
        elif usable and not shown and self.slider.drawing:
            text = _("Preparing what was chosen; the first time takes some seconds...")
        elif usable and alone:
            text = _("Heart A alone, with {slices} slices.").format(slices=self.ui.slicesSpin.value)
        elif usable:
            text = _("Drag the slider from A to B.")
        elif self.pair.broken:
            text = _("It cannot be used as it is.")
        self.ui.seenLabel.text = text
        self.ui.positionSlider.enabled = usable and not alone
        self.ui.keepButton.enabled = shown and self.slider.whole
        self.ui.removeButton.enabled = shown
        self.ui.sequenceButton.enabled = usable and not alone and not self.work.busy
        if not shown:
            self.ui.volumesLabel.text = ""

    # -- what is drawn --------------------------------------------------------------------------------------

    def _onDrawn(self, answer):
        place = "" if self.pair.alone else _("t = {t:.2f}: ").format(t=answer["t"])
        self.ui.volumesLabel.text = place + volumesText(answer["volumes_ml"])
        self.work.messages.hideOfLook()
        self._show()

    def _onFailed(self, failure):
        if failure.kind == "ConsentRequired":
            if not (self._consent or self._declined):
                self.work.ask(failure, self._onAgreed)
        else:
            self.work.tell(failure, ofLook=True)
        self._show()

    def _onAgreed(self):
        self._consent = True
        self._onChange()

    def _onDeclined(self, failure):
        """Ask no more, however the slider is moved, until the user chooses something else."""
        self._declined = failure.data["name"]
        self.work.messages.note(_("The licence of {name} was not agreed to.").format(name=self._declined))
        self._show()

    # -- keep, remove, play ---------------------------------------------------------------------------------

    def _onKeep(self, checked=False):
        if not self.preview.shown:
            return
        title = self.pair.title
        if not self.pair.alone:
            title = _("{title} {t:.2f}").format(title=title, t=self.slider.answer["t"])
        labels = self.preview.keep(title, self.pair.first)
        self.slider.stop()
        self.work.messages.note(_("Kept: {name}").format(name=labels.GetName()))
        self._show()

    def _onRemove(self, checked=False):
        self.slider.stop()
        self.preview.remove()
        self._show()

    def _onSequence(self, checked=False):
        self._declined = ""
        self._sequence(self._consent)

    def _sequence(self, consent):
        self._consent = consent
        self.slider.pause()
        count = int(self.ui.stepsSpin.value)
        sequence = HeartSequence(self.work, self.pair, count, self._options(), self._onMade)
        sequence.start(self._sequence, self._onSequenceOver)

    def _onMade(self):
        """They take the place of the one that the slider showed."""
        self.slider.stop()
        self.preview.remove()

    def _onSequenceOver(self):
        self._show()
        self.slider.resume()
