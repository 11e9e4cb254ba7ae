"""The tab "Models": every installed card to be read, import, verify, remove. Nothing is downloaded."""

import html

import qt
import slicer
from slicer.i18n import tr as _

from CrossModalSynthLib.translate_panel import consents


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
        self._wanted = None

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
            self._say(_("Cards are shown once the libraries are installed: see the Translate tab."))
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
        for name, why in answer["damaged"].items():
            self._say(_("{name} cannot be used: {why}").format(name=name, why=why))

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

    def _say(self, text):
        self.ui.modelMessage.text = text

    def _onFailed(self, failure):
        self._say(failure.message)

    # -- import, verify, remove -----------------------------------------------------------------------------

    def _onImportFolder(self, checked=False):
        folder = qt.QFileDialog.getExistingDirectory(slicer.util.mainWindow(), _("Folder of a bundle"))
        if folder:
            self._import(folder, consent=False)

    def _onImportZip(self, checked=False):
        path = qt.QFileDialog.getOpenFileName(
            slicer.util.mainWindow(), _("Zip file of a bundle"), "", _("Zip files (*.zip)")
        )
        if path:
            self._import(path, consent=False)

    def _import(self, source, consent):
        if self.installation.missing():
            self.refresh()
            return
        self._say(_("Checking the bundle..."))

        def failed(failure):
            self._say(failure.message)
            if failure.kind == "ConsentRequired":
                self.session.later(lambda: consents(failure) and self._import(source, consent=True))

        def finished(answer):
            self._say(answer["message"])
            self.refresh(answer["name"])

        arguments = {"source": source, "consent": consent}
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
                self._say(row["message"])

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
