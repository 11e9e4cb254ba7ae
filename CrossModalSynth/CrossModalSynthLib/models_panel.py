"""The tab "Models": every installed card to be read, import, verify, remove. Nothing is downloaded."""

import html

import qt
import slicer
from slicer.i18n import tr as _

from CrossModalSynthLib.questions import agreesToLicence, trustsAuthor


class ModelsPanel:
    """Owns the widgets of ModelsPanel.ui.

    Args:
        ui: its widgets by name.
        session: of the module.
        installation: what has to be installed before the worker can run.
    """

    def __init__(self, ui, session, installation):
        self.ui, self.session, self.installation = ui, session, installation
        self._bundles = []
        ui.modelList.connect("currentRowChanged(int)", self._onRow)
        ui.importFolderButton.connect("clicked(bool)", self._onImportFolder)
        ui.importZipButton.connect("clicked(bool)", self._onImportZip)
        ui.verifyButton.connect("clicked(bool)", self._onVerify)
        ui.removeButton.connect("clicked(bool)", self._onRemove)
        ui.copyModelDetailsButton.connect("clicked(bool)", self._onCopyDetails)
        self._wanted = self._changed = None
        self._said = self._details = ""
        self._damaged = {}

    def enter(self):
        """The user came to the module."""

    def exit(self):
        """The user left the module."""

    def cleanup(self):
        """The module ends."""

    def sceneCloses(self):
        """Bundles belong to no scene."""

    def refresh(self, wanted=None):
        """Ask the worker what is installed; select ``wanted`` then."""
        self._wanted = wanted or self._name()
        if self.installation.missing():
            self.ui.modelMessage.text = _(
                "Cards are shown once the libraries are installed: see the Translate tab."
            )
            return
        self.session.client.submit("models", finished=self._onModels, failed=self._onFailed)

    def _onModels(self, answer):
        self._bundles = answer["bundles"]
        names = [bundle["name"] for bundle in self._bundles]
        wasBlocked = self.ui.modelList.blockSignals(True)
        self.ui.modelList.clear()
        for bundle in self._bundles:
            self.ui.modelList.addItem("{title}, {version}".format(**bundle))
        row = names.index(self._wanted) if self._wanted in names else 0
        self.ui.modelList.setCurrentRow(row)
        self.ui.modelList.blockSignals(wasBlocked)
        self._onRow(row)
        self._damaged = answer["damaged"]
        self._showMessage()
        changed, self._changed = self._changed, None
        for function in self.session.bundlesListed:
            function(self._bundles, changed)

    def _onRow(self, row):
        chosen = 0 <= row < len(self._bundles)
        self.ui.verifyButton.enabled = chosen
        self.ui.removeButton.enabled = chosen and self._bundles[row]["removable"]
        if chosen:
            self.ui.cardBrowser.setHtml(cardHtml(self._bundles[row]))
        else:
            self.ui.cardBrowser.setHtml("")

    def _name(self):
        row = self.ui.modelList.currentRow
        return self._bundles[row]["name"] if 0 <= row < len(self._bundles) else None

    def _say(self, text, details=""):
        """``details``: more to copy, of a failure."""
        self._said, self._details = text, details
        self._showMessage()

    def _showMessage(self):
        damaged = [
            _("{name} cannot be used: {why}").format(name=name, why=why)
            for name, why in self._damaged.items()
        ]
        self.ui.modelMessage.text = "\n".join(line for line in (self._said, *damaged) if line)
        self.ui.copyModelDetailsButton.visible = bool(self._details or damaged)

    def _onCopyDetails(self, checked=False):
        text = f"{self.ui.modelMessage.text}\n\n{self._details}".strip()
        qt.QApplication.clipboard().setText(text)

    def _onFailed(self, failure):
        self._say(failure.message, f"{failure.kind}\n{failure.detail}".strip())

    # -- import, verify, remove -----------------------------------------------------------------------------

    def _onImportFolder(self, checked=False):
        folder = qt.QFileDialog.getExistingDirectory(slicer.util.mainWindow(), _("Folder of a bundle"))
        if folder:
            self._import(folder)

    def _onImportZip(self, checked=False):
        path = qt.QFileDialog.getOpenFileName(
            slicer.util.mainWindow(), _("Zip file of a bundle"), "", _("Zip files (*.zip)")
        )
        if path:
            self._import(path)

    def _import(self, source, trust=False, consent=False):
        """Import; what only the user can decide is asked for, and then it is tried again."""
        if self.installation.missing():
            self.refresh()
            return
        self._say(_("Checking the bundle..."))

        def ask(failure):
            if failure.kind == "TrustRequired" and trustsAuthor(failure):
                self._import(source, True, consent)
            elif failure.kind == "ConsentRequired" and agreesToLicence(failure):
                self._import(source, trust, True)
            else:
                self._say(_("Nothing was imported."))

        def failed(failure):
            if failure.kind in ("TrustRequired", "ConsentRequired"):
                self.session.later(lambda: ask(failure))
            else:
                self._onFailed(failure)

        def finished(answer):
            self._say(answer["message"])
            self._changed = answer["name"]
            self.refresh(answer["name"])

        arguments = {"source": source, "trust": trust, "consent": consent}
        self.session.client.submit("import", arguments, finished=finished, failed=failed)

    def _onVerify(self, checked=False):
        name = self._name()
        if name is None:
            return

        def finished(answer):
            row = answer["bundles"][0]
            if row["ok"]:
                self._say(_("{name} is exactly what its card says.").format(name=name))
            else:
                self._say(row["message"], "BundleError")

        self._say(_("Comparing every file with the card..."))
        self.session.client.submit("verify", {"name": name}, finished=finished, failed=self._onFailed)

    def _onRemove(self, checked=False):
        name = self._name()
        if name is None or not slicer.util.confirmYesNoDisplay(
            _("Remove the bundle {name} from this computer?").format(name=name),
            windowTitle=_("Cross-Modal Synthesis"),
        ):
            return

        def finished(answer):
            self._say(_("{name} was removed.").format(name=name))
            self._changed = name
            self.refresh()

        self.session.client.submit("remove", {"name": name}, finished=finished, failed=self._onFailed)


def cardHtml(bundle):
    """A bundle's card as a page: what it makes, how well, its limits, what it was trained on, its licence."""
    card = bundle["card"]
    parts = [
        "<h3>{} {}</h3>".format(html.escape(bundle["title"]), html.escape(bundle["version"])),
        "<p>{}</p>".format(html.escape(card["description"])),
        _section(_("Figures"), _figures(card["figures"])),
        _section(_("Limits"), _list(card["limits"])),
        _section(_("Made for"), _coverage(card)),
        _section(_("Trained on"), _list(_data(card["training"]["data"]))),
        _section(_("Licence"), "<p>{}</p>".format(html.escape(card["licence"]["spdx"]))),
        '<p style="color: gray">SHA-256 {}</p>'.format(bundle["hash"]),
    ]
    return "".join(parts)


def _section(title, content):
    return f"<h4>{html.escape(title)}</h4>{content}" if content else ""


def _list(lines):
    items = "".join(f"<li>{html.escape(line)}</li>" for line in lines)
    return f"<ul>{items}</ul>" if items else ""


def _figures(figures):
    rows = "".join(
        "<tr><td>{}</td><td align='right'>&nbsp;{:.3g} {}</td></tr>".format(
            html.escape(figure["name"]), figure["value"], html.escape(figure["units"])
        )
        for figure in figures
    )
    tested = sorted({figure["on"] for figure in figures})
    if not rows:
        return "<p>{}</p>".format(html.escape(_("None were measured: treat its images with doubt.")))
    return f"<table>{rows}</table>" + _list([_("On {what}").format(what=what) for what in tested])


def _coverage(card):
    low, high = card["coverage"]["field_of_view_mm"]
    return "<p>{}</p>".format(
        html.escape(
            _("{source} of the {anatomy}, {low:.0f} to {high:.0f} mm wide").format(
                source=card["input"]["modality"], anatomy=card["coverage"]["anatomy"], low=low, high=high
            )
        )
    )


def _data(sources):
    return [
        _("{name}: {count} volumes, {licence}. {citation}").format(
            name=source["name"],
            count=source["volumes"],
            licence=source["licence"],
            citation=source["citation"],
        )
        for source in sources
    ]
