"""The tab "Export": hearts that were made here, or a whole cohort, as a folder to train on."""

from itertools import combinations

import qt
import slicer
from slicer.i18n import tr as _

from CrossModalSynthLib.export_run import ExportRun, authorsIn
from CrossModalSynthLib.heart_work import HeartWork
from CrossModalSynthLib.known_styles import KnownStyles
from CrossModalSynthLib.style_chooser import NAMED
from CrossModalSynthLib.subjects_table import COHORT, MADE, SubjectsTable

# In and through the plane, as the networks see hearts; and what is left of 16 bits after compression.
PIXELS, COMPRESSED = 128 * 128, 1.3
MB = 1e6


class ExportPanel:
    """Owns the widgets of ExportPanel.ui.

    Args:
        ui: its widgets by name.
        pieces: those of the piece in it, run.
        session: of the module.
        installation: what has to be installed before the worker can run.
    """

    def __init__(self, ui, pieces, session, installation):
        self.ui, self.session, self.installation = ui, session, installation
        self.work = HeartWork(pieces["run"], session, self._show)
        self.known = KnownStyles(session, installation, self._onStyles, self.work.messages.showFailure)
        self.subjects = SubjectsTable(ui.subjectsTable, session, lambda: self.work.busy, self._show)
        self._parameters, self._folder, self._force = None, "", False
        # Whether each style that was ever listed is ticked.
        self._ticks = {}
        ui.whatSelector.addItem(_("A cohort: offspring of the hearts below"), COHORT)
        ui.whatSelector.addItem(_("Hearts made in this scene, as they are"), MADE)
        ui.layoutSelector.addItem(_("nnU-Net (raw data set)"), "nnunet")
        ui.layoutSelector.addItem(_("BIDS (derivatives)"), "bids")
        ui.layoutSelector.addItem(_("NIfTI files and a CSV table"), "plain")
        ui.pathSelector.addItem(_("Straight line"), "line")
        ui.pathSelector.addItem(_("Great circle"), "circle")
        ui.whatSelector.connect("currentIndexChanged(int)", self._onWhat)
        for box in (ui.stepsSpin, ui.slicesSpin, ui.randomSpin):
            box.connect("valueChanged(int)", self._onOption)
        ui.parentsCheck.connect("toggled(bool)", self._onOption)
        ui.stylesList.connect("itemChanged(QListWidgetItem*)", self._onOption)
        ui.namesCheck.connect("toggled(bool)", self._onOption)
        ui.folderEdit.connect("textChanged(QString)", self._onOption)
        ui.browseButton.connect("clicked(bool)", self._onBrowse)
        ui.exportButton.connect("clicked(bool)", self._onExport)
        ui.openFolderButton.connect("clicked(bool)", self._onOpen)
        pieces["run"].forceButton.connect("clicked(bool)", self._onForce)
        self._show()

    # -- what the module tells ------------------------------------------------------------------------------

    def enter(self):
        """The user came to the module."""

    def exit(self):
        """The user left the module; an export goes on."""

    def show(self, active):
        """The tab is shown, or hidden."""
        self.known.show(active)
        self.subjects.show(active)

    def cleanup(self):
        """The module ends."""
        self.work.cleanup()
        self.subjects.cleanup()
        self.known.cleanup()

    def sceneCloses(self):
        """Hearts belong to their scene; an export that has begun has what it needs, but its scene ends."""
        self.work.drop()
        self.subjects.forget()
        self._show()

    def setParameterNode(self, parameters):
        """Corrections of segments are there."""
        self._parameters = parameters
        self.subjects.follow(parameters)

    # -- options --------------------------------------------------------------------------------------------

    def _onStyles(self, answer):
        self._remember()
        wasBlocked = self.ui.stylesList.blockSignals(True)
        self.ui.stylesList.clear()
        for style in answer["styles"]:
            item = qt.QListWidgetItem(style["title"])
            item.setToolTip(style["description"])
            item.setData(qt.Qt.UserRole, NAMED + style["name"])
            ticked = self._ticks.get(NAMED + style["name"], True)
            item.setCheckState(qt.Qt.Checked if ticked else qt.Qt.Unchecked)
            self.ui.stylesList.addItem(item)
        self.ui.stylesList.blockSignals(wasBlocked)
        self._show()

    def _remember(self):
        """Another bundle was imported, say: what the user has unticked stays so, also if it comes back."""
        for item in self._listed():
            self._ticks[item.data(qt.Qt.UserRole)] = item.checkState() == qt.Qt.Checked

    def _listed(self):
        return [self.ui.stylesList.item(n) for n in range(self.ui.stylesList.count)]

    def _onWhat(self, index):
        kind = self.ui.whatSelector.currentData
        self.ui.cohortFrame.visible = kind == COHORT
        self.subjects.choose(kind)

    def _onOption(self, *ignored):
        self._show()

    def _chosenStyles(self):
        ticked = [item for item in self._listed() if item.checkState() == qt.Qt.Checked]
        names = [item.data(qt.Qt.UserRole)[len(NAMED) :] for item in ticked]
        seeds = range(1, int(self.ui.randomSpin.value) + 1)
        named = [{"kind": "named", "name": name, "seed": None} for name in names]
        return named + [{"kind": "seed", "seed": seed} for seed in seeds]

    def _onBrowse(self, checked=False):
        folder = qt.QFileDialog.getExistingDirectory(slicer.util.mainWindow(), _("Folder to export to"))
        if folder:
            self.ui.folderEdit.text = folder

    # -- how much it will be --------------------------------------------------------------------------------

    def _count(self):
        """Subjects to write, and those that the guard will leave out."""
        rows = self.subjects.ticked
        if self.subjects.kind == MADE:
            return len(rows), 0
        splits = [row.split.currentData for row in rows]
        pairs = [first == second for first, second in combinations(splits, 2)]
        each = int(self.ui.stepsSpin.value) * len(self._chosenStyles())
        parents = len(rows) * len(self._chosenStyles()) if self.ui.parentsCheck.checked else 0
        return sum(pairs) * each + parents, (len(pairs) - sum(pairs)) * each

    def _problem(self):
        """One sentence on why it cannot be exported, or ""."""
        cohort = self.subjects.kind == COHORT
        if self.installation.missing():
            return _("Some libraries have to be installed first: see the Translate tab.")
        if cohort and self.known.problem("bundle", "codec"):
            return self.known.problem("bundle", "codec")
        unusable = self.subjects.unusable()
        if unusable or not cohort:
            return unusable
        if not self._chosenStyles():
            return _("Choose at least one style.")
        if len(self.subjects.ticked) < 2 and not self.ui.parentsCheck.checked:
            return _("Offspring need at least two hearts; tick more, or export the subjects as well.")
        if self._count()[0] == 0:
            return _("Every pair is of two different splits, and nothing may be made of those.")
        return self.subjects.mixed()

    def _megabytes(self):
        if self.subjects.kind == MADE:
            images = [row.image.GetImageData() for row in self.subjects.ticked]
            return sum(COMPRESSED * image.GetNumberOfPoints() for image in images if image is not None) / MB
        return self._count()[0] * int(self.ui.slicesSpin.value) * PIXELS * COMPRESSED / MB

    def _show(self):
        self.ui.namesWarning.visible = self.ui.namesCheck.checked
        problem = self._problem()
        count, left = self._count()
        text = problem
        if not problem:
            text = _("{count} subjects, about {mb:.0f} MB.").format(count=count, mb=max(1, self._megabytes()))
            if left:
                text += " " + _("{left} more would mix two splits and are left out.").format(left=left)
            if not self.ui.folderEdit.text.strip():
                text += " " + _("Choose a folder.")
        self.ui.estimateLabel.text = text
        ready = self.known.answer is not None or self.subjects.kind == MADE
        folder = bool(self.ui.folderEdit.text.strip())
        self.ui.exportButton.enabled = not problem and ready and folder and not self.work.busy

    # -- writing --------------------------------------------------------------------------------------------

    def _onOpen(self, checked=False):
        qt.QDesktopServices.openUrl(qt.QUrl.fromLocalFile(self._folder))

    def _onExport(self, checked=False):
        self._force = False
        self._export(False)

    def _onForce(self, checked=False):
        self._force = True
        self._export(False)

    def _export(self, consent):
        if self.work.busy or self._problem():
            return
        self.ui.summaryLabel.visible = self.ui.openFolderButton.visible = False
        run = ExportRun(
            self.session,
            self.work,
            self.subjects.kind,
            self.subjects.ticked,
            self._parameters,
            self._arguments(consent),
            self._summary,
        )
        run.start(self._export, self.subjects.refresh)

    def _arguments(self, consent):
        ui = self.ui
        shared = {
            "layout": ui.layoutSelector.currentData,
            "keep_parent_names": bool(ui.namesCheck.checked),
            "licence": ui.licenceEdit.text.strip(),
            "authors": authorsIn(ui.authorsEdit.plainText),
        }
        folder = ui.folderEdit.text.strip()
        if self.subjects.kind == MADE:
            return {**shared, "folder": folder}
        request = {
            **shared,
            "steps": int(ui.stepsSpin.value),
            "slices": int(ui.slicesSpin.value),
            "path": ui.pathSelector.currentData,
            "pairs": "all" if len(self.subjects.ticked) > 1 else [],
            "styles": self._chosenStyles(),
            "parents": bool(ui.parentsCheck.checked),
            "force": self._force,
        }
        return {"request": request, "folder": folder, "consent": consent}

    def _summary(self, text, folder):
        self._folder = folder
        self.ui.summaryLabel.text = text
        self.ui.summaryLabel.visible = self.ui.openFolderButton.visible = True
