"""The widgets that choose a style: a vendor's, that of a reference scan, or one drawn at random."""

from slicer.i18n import tr as _

from CrossModalSynthLib.heart_scan import ReferenceScan

NAMED, SEED, SCAN = "named:", "seed", "scan"


class StyleChooser:
    """Owns the widgets of StyleChoice.ui.

    Args:
        ui: its widgets by name.
        session: of the module.
        role: what its attributes of the parameter node begin with: Style, Seed, Reference, ReferenceLabels.
        changed: called when another style is chosen.
        same: offers "As heart A" first, whose style is None.
    """

    def __init__(self, ui, session, role, changed, same=False):
        self.ui, self.role, self._changed = ui, role, changed
        self.reference = ReferenceScan(session)
        self._parameters = None
        self._same = same
        self._styles = []
        ui.seedSpin.setProperty("SlicerParameterName", role + "Seed")
        ui.referenceSelector.setProperty("SlicerParameterName", role + "Reference")
        ui.referenceLabelsSelector.setProperty("SlicerParameterName", role + "ReferenceLabels")
        ui.styleSelector.connect("currentIndexChanged(int)", self._onStyle)
        ui.anotherButton.connect("clicked(bool)", self._onAnother)
        self._fill()

    def listStyles(self, styles):
        """Offer these of the bundle: ``name``, ``title`` and ``description`` each."""
        if styles != self._styles:
            self._styles = styles
            self._fill()

    def follow(self, parameters):
        """Show what ``parameters`` hold."""
        self._parameters = parameters
        if parameters is not None:
            self._select(getattr(parameters, self.role + "Style"))
        self._show()

    @property
    def kind(self):
        """ "" for what the bundle or heart A has, ``NAMED`` and a name, ``SEED``, or ``SCAN``."""
        return self.ui.styleSelector.currentData or ""

    @property
    def lender(self):
        """Tells the scan and labels that lend the style from others, by node IDs; None for other styles."""
        if self.kind != SCAN or self._parameters is None:
            return None
        return tuple(node and node.GetID() for node in self._lent())

    def prepare(self, finished, failed):
        """Tell the style as the worker takes it, and what it has to read for that.

        Args:
            finished: told STYLE or None, and a list of Uploads.
            failed: told a Failure.
        """
        kind = self.kind
        if kind.startswith(NAMED):
            finished({"kind": "named", "name": kind[len(NAMED) :], "seed": None}, [])
        elif kind == SEED:
            finished({"kind": "seed", "seed": int(self.ui.seedSpin.value)}, [])
        elif kind == SCAN:

            def sent(image, labels):
                style = {"kind": "scan", "image": image.reference(), "labels": labels.reference()}
                finished(style, [image, labels])

            self.reference.prepare(*self._lent(), self._parameters, sent, failed)
        else:
            finished(None, [])

    def stop(self):
        """Let go of a reference scan."""
        self.reference.stop()

    def _lent(self):
        return [getattr(self._parameters, self.role + part) for part in ("Reference", "ReferenceLabels")]

    def _fill(self):
        selector = self.ui.styleSelector
        kept = self.kind if self._parameters is None else getattr(self._parameters, self.role + "Style")
        wasBlocked = selector.blockSignals(True)
        selector.clear()
        if self._same:
            selector.addItem(_("As heart A"), "")
        elif not self._styles:
            selector.addItem(_("As the model was made"), "")
        for style in self._styles:
            selector.addItem(style["title"], NAMED + style["name"])
        selector.addItem(_("As in a reference scan"), SCAN)
        selector.addItem(_("Drawn at random"), SEED)
        selector.blockSignals(wasBlocked)
        self._select(kept)
        self._show()

    def _select(self, kind):
        selector = self.ui.styleSelector
        # One that was saved with the scene and is not here gives way to the first.
        index = max(0, selector.findData(kind))
        wasBlocked = selector.blockSignals(True)
        selector.currentIndex = index
        selector.blockSignals(wasBlocked)

    def _show(self):
        ui, kind = self.ui, self.kind
        for widget in (ui.seedLabel, ui.seedRow):
            widget.visible = kind == SEED
        for widget in (
            ui.referenceLabel,
            ui.referenceSelector,
            ui.referenceLabelsLabel,
            ui.referenceLabelsSelector,
        ):
            widget.visible = kind == SCAN
        described = {NAMED + style["name"]: style["description"] for style in self._styles}
        ui.styleSelector.setToolTip(
            described.get(kind)
            or _("What the image looks like: that of a scanner, of a scan of yours, or drawn at random.")
        )

    def _onStyle(self, index):
        if self._parameters is not None:
            setattr(self._parameters, self.role + "Style", self.kind)
        self._show()
        self._changed()

    def _onAnother(self, checked=False):
        self.ui.seedSpin.value = (self.ui.seedSpin.value + 1) % (self.ui.seedSpin.maximum + 1)
