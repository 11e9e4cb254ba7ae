"""The section "Advanced": bundle, device, precision, planes, and whether the worker runs."""

from slicer.i18n import tr as _

ALL_PLANES = "axial,coronal,sagittal"


class Advanced:
    """Selectors whose choices are kept in the parameter node, and the worker's state.

    Args:
        ui: with ``advancedSection``, a selector for each choice, ``workerStateLabel``, ``freeButton``.
        session: of the module.
        installation: what has to be installed before the worker can run.
        failed: told a Failure.
    """

    def __init__(self, ui, session, installation, failed):
        self.ui, self.session, self.installation, self._failed = ui, session, installation, failed
        self._parameters = None
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
        self._selectors = {
            "bundle": ui.bundleSelector,
            "device": ui.deviceSelector,
            "precision": ui.precisionSelector,
            "planes": ui.planesSelector,
        }
        for selector in self._selectors.values():
            selector.connect("currentIndexChanged(int)", self._onChoice)
        ui.advancedSection.connect("contentsCollapsed(bool)", self._onCollapsed)
        ui.freeButton.connect("clicked(bool)", self._onFree)

    def follow(self, parameters):
        """Show the choices in ``parameters``, or in nothing, and write the user's there."""
        self._parameters = parameters
        if parameters is None:
            return
        for name, selector in self._selectors.items():
            value = getattr(parameters, name)
            index = selector.findData(value)
            if index < 0:
                # Saved with the scene; it is not known here, or not yet.
                selector.addItem(value, value)
                index = selector.count - 1
            wasBlocked = selector.blockSignals(True)
            selector.currentIndex = index
            selector.blockSignals(wasBlocked)

    def listBundles(self, bundles):
        """Offer these; a choice that was saved with the scene stays, and says if used that it is not here."""
        selector = self.ui.bundleSelector
        bundles = [bundle for bundle in bundles if bundle["scan_alone"]]
        names = ["", *(bundle["name"] for bundle in bundles), selector.currentData]
        for index in reversed(range(selector.count)):
            if selector.itemData(index) not in names:
                selector.removeItem(index)
        for bundle in bundles:
            label = "{title} {version}".format(**bundle)
            _setItem(selector, label, bundle["name"])

    def showWorker(self):
        """Show whether the worker runs, and whether it can be put down."""
        states = {
            "off": _("Not running"),
            "starting": _("Starting"),
            "idle": _("Ready, holds memory"),
            "busy": _("At work"),
            "stopping": _("Ending"),
        }
        self.ui.workerStateLabel.text = states[self.session.client.state]
        self.ui.freeButton.enabled = self.session.canFree

    def _onChoice(self, index):
        if self._parameters is None:
            return
        for name, selector in self._selectors.items():
            if getattr(self._parameters, name) != selector.currentData:
                setattr(self._parameters, name, selector.currentData)

    def _onCollapsed(self, collapsed):
        if collapsed or self.installation.missing():
            return
        self.session.client.submit("models", finished=self._onModels, failed=self._failed)
        self.session.client.submit("devices", finished=self._onDevices, failed=self._failed)

    def _onModels(self, answer):
        self.listBundles(answer["bundles"])

    def _onDevices(self, answer):
        for device in answer["devices"]:
            label = device["name"]
            if device["free"]:
                label = _("{name}, {free:.1f} of {total:.1f} GB free").format(
                    name=label, free=device["free"] / 2**30, total=device["total"] / 2**30
                )
            _setItem(self.ui.deviceSelector, label, device["device"])

    def _onFree(self, checked=False):
        self.session.free()


def _setItem(selector, label, value):
    index = selector.findData(value)
    if index < 0:
        selector.addItem(label, value)
    else:
        selector.setItemText(index, label)
