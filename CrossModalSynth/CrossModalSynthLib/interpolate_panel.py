"""The tab "Interpolate": a slider from heart A to heart B; outlines, surface and image follow the hand."""

import json

import qt
import slicer
import vtk
from slicer.i18n import tr as _
from slicer.util import VTKObservationMixin

from CrossModalSynthLib.heart_picker import HeartPicker
from CrossModalSynthLib.heart_view import defaultHeart, outline, showPainted, volumesText
from CrossModalSynthLib.heart_work import HeartWork
from CrossModalSynthLib.preview import Preview, volumeOf
from CrossModalSynthLib.questions import agreesToLicence
from CrossModalSynthLib.session import failureOf
from CrossModalSynthLib.style_chooser import StyleChooser
from SynthLogic.errors import InputError
from SynthLogic.scene import PendingVolume
from SynthLogic.scene.heart_sequences import PendingHearts
from SynthLogic.worker import Latest, copy_in_steps

REST_MS = 300
NONE, SLICE, ALL = range(3)
WORDS = ("none", "slice", "all")


class InterpolatePanel(VTKObservationMixin):
    """Owns the widgets of InterpolatePanel.ui.

    While the hand moves, each answer of the worker is the newest heart with the slice that is looked at; what
    comes faster than that is dropped. When the hand rests, the whole heart is painted.

    Args:
        ui: its widgets by name.
        pieces: those of the pieces in it: heartA, styleA, heartB, styleB, run.
        session: of the module.
        installation: what has to be installed before the worker can run.
    """

    def __init__(self, ui, pieces, session, installation):
        VTKObservationMixin.__init__(self)
        self.ui, self.session, self.installation = ui, session, installation
        self.work = HeartWork(pieces["run"], session, self._show)
        self.preview = Preview()
        self.latest = Latest(session.client)
        self._parameters, self._active, self._styles = None, False, None
        self._ready = False
        self._generation, self._moved, self._consent, self._force = 0, 0, False, False
        self._drawn = (None, NONE)
        self._rest, self._answer = None, None
        # Of another scene, or before a preview was removed: what comes of it is for nobody.
        self._epoch = 0
        self._pair = ((), ())
        self._watched = False
        self.pickers = [
            HeartPicker(pieces[f"heart{x}"], session, f"heart{x}", self._onHeart) for x in ("A", "B")
        ]
        self.styles = [
            StyleChooser(pieces["styleA"], session, "heartA", self._onChange),
            StyleChooser(pieces["styleB"], session, "heartB", self._onChange, same=True),
        ]
        for picker, style in zip(self.pickers, self.styles, strict=True):
            style.ui.seedSpin.connect("valueChanged(int)", self._onChange)
            for selector in (style.ui.referenceSelector, style.ui.referenceLabelsSelector):
                selector.connect("currentNodeChanged(vtkMRMLNode*)", self._onChange)
            picker.ui.heartLabel.text = _("Heart:")
        self.pickers[1].ui.heartSelector.noneDisplay = _("None: heart A alone, with more slices")
        ui.pathSelector.addItem(_("Straight line"), "line")
        ui.pathSelector.addItem(_("Great circle"), "circle")
        ui.positionSlider.connect("valueChanged(double)", self._onMove)
        ui.slicesSpin.connect("valueChanged(int)", self._onChange)
        ui.pathSelector.connect("currentIndexChanged(int)", self._onChange)
        ui.paintCheck.connect("toggled(bool)", self._onChange)
        ui.keepButton.connect("clicked(bool)", self._onKeep)
        ui.removeButton.connect("clicked(bool)", self._onRemove)
        ui.sequenceButton.connect("clicked(bool)", self._onSequence)
        pieces["run"].forceButton.connect("clicked(bool)", self._onForce)
        session.bundlesListed.append(self._onBundles)
        session.needed.append(self._isDrawing)
        self._resting = qt.QTimer()
        self._resting.setSingleShot(True)
        self._resting.setInterval(REST_MS)
        self._resting.connect("timeout()", self._onRest)
        self._show()

    # -- what the module tells ------------------------------------------------------------------------------

    def enter(self):
        """The user came to the module."""

    def exit(self):
        """The user left the module; the preview stays."""

    def show(self, active):
        """The tab is shown, or hidden."""
        self._active = active
        if not active:
            return
        if self._parameters is not None and self._parameters.heartA is None:
            self._parameters.heartA = defaultHeart()
        self._askStyles()
        self._onHeart()

    def cleanup(self):
        """The module ends: an unkept heart goes with it."""
        self._stop()
        self.preview.remove()
        self.session.bundlesListed.remove(self._onBundles)
        self.session.needed.remove(self._isDrawing)
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
            for piece in (*self.pickers, *self.styles):
                piece.follow(self._parameters)

    # -- what is there --------------------------------------------------------------------------------------

    def _askStyles(self):
        if self._styles is None and not self.installation.missing():
            self._styles = {"styles": [], "problem": "", "bundle": None, "codec": None}
            self.session.client.submit("heart_styles", {}, finished=self._onStyles, failed=self._onNoStyles)

    def _onStyles(self, answer):
        self._styles, self._ready = answer, True
        for style in self.styles:
            style.listStyles(answer["styles"])
        if answer["bundle"] is None:
            self.ui.paintCheck.checked = False
        self._show()
        self._onChange()

    def _onNoStyles(self, failure):
        self._styles = None
        self.work.messages.showFailure(failure)

    def _onBundles(self, bundles, changed):
        if changed is not None:
            self._styles, self._ready = None, False
            if self._active:
                self._askStyles()

    @property
    def _alone(self):
        return self.pickers[1].node is None

    def _usable(self):
        codec = self._ready and self._styles is not None and self._styles["codec"] is not None
        return codec and self.pickers[0].source.usable and (self._alone or self.pickers[1].source.usable)

    def _onHeart(self):
        """Another heart, an edit or a correction: what was drawn is no longer true."""
        now = tuple((id(p.node), p.source.usable, p.source.state) for p in self.pickers)
        if now != self._pair:
            self._pair = now
            self._force = False
            self._onChange()
        self._show()

    def _onForce(self, checked=False):
        self._force = True
        self.work.messages.hide()
        self._onChange()

    def _show(self):
        usable, alone = self._usable(), self._alone
        text = _("Choose heart A; with heart B as well, everything between the two can be made.")
        if self.installation.missing():
            text = _("Some libraries have to be installed first: see the Translate tab.")
        elif self._styles is not None and self._ready and self._styles["codec"] is None:
            text = self._styles["problem"]
        elif usable and not self.preview.shown and self._isDrawing():
            text = _("Preparing what was chosen; the first time takes some seconds...")
        elif usable and alone:
            text = _("Heart A alone, with {slices} slices.").format(slices=self.ui.slicesSpin.value)
        elif usable:
            text = _("Drag the slider from A to B.")
        elif any(picker.source.problem for picker in self.pickers):
            text = _("It cannot be used as it is.")
        self.ui.seenLabel.text = text
        self.ui.positionSlider.enabled = usable and not alone
        whole = self._drawn[0] == self._generation and (
            self._drawn[1] == ALL or not self.ui.paintCheck.checked
        )
        self.ui.keepButton.enabled = self.preview.shown and whole
        self.ui.removeButton.enabled = self.preview.shown
        self.ui.sequenceButton.enabled = usable and not alone and not self.work.busy
        if not self.preview.shown:
            self.ui.volumesLabel.text = ""

    # -- the hand moves -------------------------------------------------------------------------------------

    def _onMove(self, value):
        self._onChange()

    def _onChange(self, *ignored):
        """Another heart is wanted: now with the slice that is looked at, soon all of it."""
        self._generation += 1
        if not (self._active and self._usable()) or self.work.busy:
            self._show()
            return
        self._dropRest()
        self._resting.start()
        self._draw(SLICE if self.ui.paintCheck.checked else NONE)
        self._show()

    def _onRest(self):
        """The hand rests: paint all of it, once the newest labels are there."""
        if not (self._active and self._usable()) or self.work.busy or not self.ui.paintCheck.checked:
            return
        if self._drawn[0] != self._generation:
            return  # its labels are on their way, and come back here
        if self._drawn[1] < ALL and self._rest is None:
            self._draw(ALL)

    def _onView(self, caller=None, event=None):
        """Another slice is looked at, which may not be painted yet."""
        known = self._drawn[1] == SLICE and self.preview.shown and self.ui.paintCheck.checked
        if known and self.preview.visibleSlice(self.preview.grid) != self._answer["slice"]:
            self._onChange()

    def _draw(self, quality):
        generation = self._generation
        self._order(
            lambda arguments, uploads: self._ask(generation, quality, arguments, uploads),
            self._onFailed,
        )

    def _order(self, finished, failed):
        """Everything that the worker must read is there: ``finished`` is told arguments and uploads."""
        sources = [picker.source for picker in self.pickers[: 1 if self._alone else 2]]
        found = {}

        def step():
            for key, source in zip(("a", "b"), sources, strict=False):
                if key not in found:
                    source.prepare(lambda upload, key=key: put(key, upload), failed)
                    return
            for key, chooser in zip(("style_a", "style_b"), self.styles[: len(sources)], strict=False):
                if key not in found:
                    chooser.prepare(lambda style, uploads, key=key: put(key, (style, uploads)), failed)
                    return
            uploads = [found["a"], *([found["b"]] if "b" in found else [])]
            arguments = {
                "a": found["a"].reference(),
                "b": found["b"].reference() if "b" in found else None,
                "t": float(self.ui.positionSlider.value) if "b" in found else 0.0,
                "path": self.ui.pathSelector.currentData,
                "slices": int(self.ui.slicesSpin.value),
                "consent": self._consent,
                "force": self._force,
            }
            for key in ("style_a", "style_b"):
                if key in found:
                    arguments[key] = found[key][0]
                    uploads += found[key][1]
            finished(arguments, uploads)

        def put(key, value):
            found[key] = value
            step()

        step()

    def _ask(self, generation, quality, arguments, uploads):
        if generation != self._generation:
            return
        names, epoch = ["labels"] if quality == NONE else ["labels", "image"], self._epoch
        arguments = {**arguments, "paint": WORDS[quality]}
        if quality == SLICE:
            grid = self.preview.grid
            known = grid is not None and grid.shape[0] == arguments["slices"]
            place = self.preview.visibleSlice(grid) if known else arguments["slices"] // 2
            arguments["slice"] = place

        def finished(result):
            if quality == ALL:
                self._rest = None
            try:
                if epoch == self._epoch:
                    self._onDrawn(generation, quality, result)
            except Exception as error:
                self._onFailed(failureOf(error))
            finally:
                result.close()

        def failed(failure):
            if quality == ALL:
                self._rest = None
            if epoch == self._epoch:
                self._onFailed(failure)

        if quality == ALL:
            # Apart from the newest moves, so that the next of them can stop it.
            self._rest = self.session.client.submit(
                "heart_blend", arguments, uploads=uploads, results=names, finished=finished, failed=failed
            )
        else:
            self.latest.ask(
                "heart_blend", arguments, uploads=uploads, results=names, finished=finished, failed=failed
            )

    def _dropRest(self):
        run, self._rest = self._rest, None
        if run is not None and run.state == "pending":
            self.session.client.cancel(run)

    def _onDrawn(self, generation, quality, result):
        if not self._active and not self.preview.shown:
            return
        if quality == ALL and generation != self._generation:
            return
        answer = result.answer
        labels = volumeOf(answer, result.arrays["labels"])
        self.preview.update(
            self._title(answer["t"]),
            labels,
            answer["record"],
            result.arrays.get("image"),
            answer["slice"],
            answer["background"] or 0.0,
        )
        self._watchViews()
        self._answer, self._drawn = answer, (generation, quality)
        place = "" if self._alone else _("t = {t:.2f}: ").format(t=answer["t"])
        self.ui.volumesLabel.text = place + volumesText(answer["volumes_ml"])
        self.work.messages.hideOfLook()
        self._show()
        if generation == self._generation and not self._resting.isActive():
            self._onRest()

    def _watchViews(self):
        if not self._watched:
            self._watched = True
            for n in range(slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLSliceNode")):
                view = slicer.mrmlScene.GetNthNodeByClass(n, "vtkMRMLSliceNode")
                self.addObserver(view, vtk.vtkCommand.ModifiedEvent, self._onView)

    def _onFailed(self, failure):
        if failure.kind == "ConsentRequired":
            if not self._consent:
                self.session.later(lambda: self._askConsent(failure))
        elif failure.kind != "Cancelled":
            canForce = "--force" in failure.message and not self._force
            text = failure.message.replace(_("; add --force to go on all the same"), "")
            self.work.messages.note(text)
            self.work.messages.show(text, failure.detail, canForce=canForce, ofLook=True)
        self._show()

    def _askConsent(self, failure):
        if agreesToLicence(failure):
            self._consent = True
            self._onChange()

    def _isDrawing(self):
        return not self.latest.idle or self._rest is not None

    def _title(self, t):
        names = [picker.source.title for picker in self.pickers]
        if self._alone:
            return _("{a} resliced").format(a=names[0])
        return _("{a} to {b}").format(a=names[0], b=names[1])

    def _stop(self):
        self._resting.stop()
        self.latest.clear()
        self._dropRest()
        self._generation += 1
        self._epoch += 1
        self.removeObservers(self._onView)
        self._watched = False
        self._drawn, self._answer, self._pair = (None, NONE), None, ((), ())
        for picker in self.pickers:
            picker.source.stop()
        for style in self.styles:
            style.stop()

    # -- keep, remove, play ---------------------------------------------------------------------------------

    def _onKeep(self, checked=False):
        if not self.preview.shown:
            return
        title = self._title(self._answer["t"])
        if not self._alone:
            title = _("{title} {t:.2f}").format(title=title, t=self._answer["t"])
        labels = self.preview.keep(title, self.pickers[0].node)
        self.work.messages.note(_("Kept: {name}").format(name=labels.GetName()))
        self._drawn = (None, NONE)
        self._show()

    def _onRemove(self, checked=False):
        self._resting.stop()
        self._dropRest()
        self.latest.clear()
        self._generation += 1
        self._epoch += 1
        self.preview.remove()
        self._show()

    def _onSequence(self, checked=False):
        self._sequence(self._consent)

    def _sequence(self, consent):
        """Make the hearts one after the other; they appear together, or not at all."""
        count, paint = int(self.ui.stepsSpin.value), self.ui.paintCheck.checked
        beside, title = self.pickers[0].node, self._title(0.0)
        self._resting.stop()
        self.latest.clear()
        self._dropRest()
        held, taken = [], []

        def ended():
            while held:
                held.pop().release()
            while taken:
                taken.pop().close()
            self._show()

        self.work.begin(_("{count} hearts, {title}").format(count=count, title=title), self._sequence, ended)
        pending = PendingHearts(slicer.mrmlScene, title)
        positions = [n / (count - 1) for n in range(count)]

        def ordered(arguments, uploads):
            arguments["consent"] = self._consent = consent
            for upload in uploads:
                upload.hold()
                held.append(upload)
            make(arguments, list(uploads))

        def make(arguments, uploads):
            number = len(pending)
            if number == count:
                add()
                return
            # The bar counts hearts, not slices of one.
            self.work.advance(number / count, _("{n} of {count} hearts").format(n=number, count=count))
            wanted = {**arguments, "t": positions[number], "paint": "all" if paint else "none"}
            names = ["labels", "image"] if paint else ["labels"]
            self.work.submit(
                "heart_blend", wanted, uploads, names, lambda result: take(result, arguments, uploads)
            )

        def take(result, arguments, uploads):
            taken.append(result)
            answer = result.answer
            labels = volumeOf(answer, result.arrays["labels"])
            image = result.arrays.get("image")
            frame = None if image is None else PendingVolume(labels.grid, image.dtype)

            def copied():
                taken.pop().close()
                pending.append(answer["t"], labels, json.dumps(answer["record"]), frame)
                make(arguments, uploads)

            self.work.spread(iter(()) if frame is None else copy_in_steps(image, frame.array), copied)

        def add():
            if not slicer.mrmlScene.IsNodePresent(beside):
                raise InputError(_("Heart A was removed from the scene; choose it again."))
            browser, labels, image = pending.add_to_scene(beside)
            self.preview.remove()
            self._drawn = (None, NONE)
            outline(labels)
            if image is not None:
                showPainted(image, labels)
            playWith(browser)
            self.work.end(_("Made: {name}").format(name=browser.GetName()))

        self._order(self.work.guarded(ordered), self.work.guarded(self.work.fail))


def playWith(browser):
    """Show the browser in Slicer's tool bar, and let it run."""
    modules = getattr(slicer, "modules", None)
    sequences = getattr(modules, "sequences", None)
    if sequences is not None and hasattr(sequences, "setToolBarActiveBrowserNode"):
        sequences.setToolBarActiveBrowserNode(browser)
    browser.SetPlaybackRateFps(5)
    browser.SetPlaybackActive(True)
