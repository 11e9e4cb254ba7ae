"""The tab "Export": hearts that were made here, or a whole cohort, as a folder to train on."""

import json
from itertools import combinations

import qt
import slicer
import vtk
from slicer.i18n import tr as _
from slicer.util import VTKObservationMixin

from CrossModalSynthLib.heart_source import HeartSource, ReferenceScan, structureName
from CrossModalSynthLib.heart_work import HeartWork
from CrossModalSynthLib.style_chooser import NAMED
from SynthLogic.hearts import HeartLabel
from SynthLogic.scene import is_synthetic, record_of
from SynthLogic.scene.heart_results import made_hearts
from SynthLogic.scene.nodes import nodes_of_class

COHORT, MADE = "cohort", "made"
SPLITS = ("train", "val", "test")
QUIET_MS = 200
# In and through the plane, as the networks see hearts; and what is left of 16 bits after compression.
PIXELS, COMPRESSED = 128 * 128, 1.3
MB = 1e6


class Row:
    """One heart that can take part.

    Attributes:
        node: its segmentation or label map.
        image: what was made of it, or None.
        check, split, note: cells of the table.
    """

    def __init__(self, node, image, source):
        self.node, self.image, self.source = node, image, source
        self.check = self.note = self.split = None


class ExportPanel(VTKObservationMixin):
    """Owns the widgets of ExportPanel.ui.

    Args:
        ui: its widgets by name.
        pieces: those of the piece in it, run.
        session: of the module.
        installation: what has to be installed before the worker can run.
    """

    def __init__(self, ui, pieces, session, installation):
        VTKObservationMixin.__init__(self)
        self.ui, self.session, self.installation = ui, session, installation
        self.work = HeartWork(pieces["run"], session, self._show)
        self._parameters, self._active, self._styles, self._ready = None, False, None, False
        self._rows, self._chosen, self._references = [], {}, []
        self._folder, self._force = "", False
        ui.whatSelector.addItem(_("A cohort: offspring of the hearts below"), COHORT)
        ui.whatSelector.addItem(_("Hearts made in this scene, as they are"), MADE)
        ui.layoutSelector.addItem(_("nnU-Net (raw data set)"), "nnunet")
        ui.layoutSelector.addItem(_("BIDS (derivatives)"), "bids")
        ui.layoutSelector.addItem(_("NIfTI files and a CSV table"), "plain")
        ui.pathSelector.addItem(_("Straight line"), "line")
        ui.pathSelector.addItem(_("Great circle"), "circle")
        table = ui.subjectsTable
        table.setHorizontalHeaderLabels([_("Heart"), _("Split"), _("Holds")])
        table.verticalHeader().visible = False
        table.horizontalHeader().setSectionResizeMode(0, qt.QHeaderView.Stretch)
        table.horizontalHeader().setSectionResizeMode(1, qt.QHeaderView.Fixed)
        table.horizontalHeader().setSectionResizeMode(2, qt.QHeaderView.Stretch)
        table.connect("itemChanged(QTableWidgetItem*)", self._onTicked)
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
        session.bundlesListed.append(self._onBundles)
        self._quiet = qt.QTimer()
        self._quiet.setSingleShot(True)
        self._quiet.setInterval(QUIET_MS)
        self._quiet.connect("timeout()", self._list)
        for event in (slicer.vtkMRMLScene.NodeAddedEvent, slicer.vtkMRMLScene.NodeRemovedEvent):
            self.addObserver(slicer.mrmlScene, event, self._onScene)
        self._show()

    # -- what the module tells ------------------------------------------------------------------------------

    def enter(self):
        """The user came to the module."""

    def exit(self):
        """The user left the module; an export goes on."""

    def show(self, active):
        """The tab is shown, or hidden."""
        self._active = active
        if active:
            self._askStyles()
            self._list()

    def cleanup(self):
        """The module ends."""
        self.removeObservers()
        self._forget()
        self.session.bundlesListed.remove(self._onBundles)
        self.work.cleanup()

    def sceneCloses(self):
        """Hearts belong to their scene; an export that has begun has what it needs, but its scene ends."""
        self.work.drop()
        self._forget()
        self._show()

    def setParameterNode(self, parameters):
        """Corrections of segments are there."""
        self._parameters = parameters
        if parameters is not None and self._active:
            self._list()

    # -- what is there --------------------------------------------------------------------------------------

    def _askStyles(self):
        if self._styles is None and not self.installation.missing():
            self._styles = {"styles": [], "problem": "", "bundle": None, "codec": None}
            self.session.client.submit("heart_styles", {}, finished=self._onStyles, failed=self._onNoStyles)

    def _onStyles(self, answer):
        self._styles, self._ready = answer, True
        wasBlocked = self.ui.stylesList.blockSignals(True)
        self.ui.stylesList.clear()
        for style in answer["styles"]:
            item = qt.QListWidgetItem(style["title"])
            item.setToolTip(style["description"])
            item.setData(qt.Qt.UserRole, NAMED + style["name"])
            item.setCheckState(qt.Qt.Checked)
            self.ui.stylesList.addItem(item)
        self.ui.stylesList.blockSignals(wasBlocked)
        self._show()

    def _onNoStyles(self, failure):
        self._styles = None
        self.work.messages.showFailure(failure)

    def _onBundles(self, bundles, changed):
        if changed is not None:
            self._styles, self._ready = None, False
            if self._active:
                self._askStyles()

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def _onScene(self, caller, event, node):
        if self._active and node is not None and node.IsA("vtkMRMLDisplayableNode"):
            self._quiet.start()

    def _onWhat(self, index):
        self.ui.cohortFrame.visible = self._what == COHORT
        self._list()

    @property
    def _what(self):
        return self.ui.whatSelector.currentData

    def _candidates(self):
        """(labels, image or None) of each heart that can take part."""
        if self._what == MADE:
            return [(labels, image) for image, labels in made_hearts(slicer.mrmlScene)]
        found = nodes_of_class(slicer.mrmlScene, "vtkMRMLSegmentationNode")
        found += nodes_of_class(slicer.mrmlScene, "vtkMRMLLabelMapVolumeNode")
        return [(node, None) for node in found if not is_synthetic(node) and not node.GetHideFromEditors()]

    def _list(self):
        """Show the hearts of the scene; ticks and splits of those that stay are kept."""
        if self.work.busy or self._parameters is None:
            return
        before = {(id(row.node), id(row.image)): row for row in self._rows}
        rows = []
        for node, image in self._candidates():
            row = before.pop((id(node), id(image)), None)
            if row is None:
                row = Row(node, image, HeartSource(self.session, self._showNotes))
            rows.append(row)
        for row in before.values():
            row.source.stop()
        self._remember()
        self._rows = []
        self._fill(rows)
        self._rows = rows
        for row in rows:
            row.source.choose(row.node, self._parameters)
        self._showNotes()

    def _remember(self):
        for row in self._rows:
            chosen = row.check.checkState() == qt.Qt.Checked
            self._chosen[self._key(row)] = (chosen, row.split.currentIndex)

    def _key(self, row):
        return ((row.image or row.node).GetID(), self._what)

    def _fill(self, rows):
        table = self.ui.subjectsTable
        wasBlocked = table.blockSignals(True)
        table.rowCount = 0
        table.rowCount = len(rows)
        for n, row in enumerate(rows):
            ticked, split = self._chosen.get(self._key(row), (True, 0))
            row.check = qt.QTableWidgetItem((row.image or row.node).GetName())
            row.check.setFlags(qt.Qt.ItemIsEnabled | qt.Qt.ItemIsUserCheckable)
            row.check.setCheckState(qt.Qt.Checked if ticked else qt.Qt.Unchecked)
            row.split = qt.QComboBox()
            for label, value in zip((_("Training"), _("Validation"), _("Test")), SPLITS, strict=True):
                row.split.addItem(label, value)
            row.split.currentIndex = split
            row.split.connect("currentIndexChanged(int)", self._onOption)
            row.note = qt.QTableWidgetItem()
            table.setItem(n, 0, row.check)
            table.setCellWidget(n, 1, row.split)
            table.setItem(n, 2, row.note)
            table.setColumnWidth(1, row.split.sizeHint.width() + 4)
        table.resizeRowsToContents()
        table.blockSignals(wasBlocked)

    def _showNotes(self):
        table = self.ui.subjectsTable
        wasBlocked = table.blockSignals(True)
        for row in self._rows:
            source = row.source
            if source.problem:
                text = source.problem
            elif source.matching is None:
                text = _("looking...")
            else:
                text = ", ".join(shortName(label) for label in source.matching.structures)
            if source.problem and self._key(row) not in self._chosen:
                # What cannot be used does not take part, unless somebody insists.
                row.check.setCheckState(qt.Qt.Unchecked)
                self._chosen[self._key(row)] = (False, 0)
            row.note.setText(text)
            row.note.setToolTip(text)
        table.blockSignals(wasBlocked)
        self._show()

    def _onTicked(self, item):
        self._show()

    def _onOption(self, *ignored):
        self._show()

    def _onForce(self, checked=False):
        self._force = True
        self._export(False)

    # -- how much it will be --------------------------------------------------------------------------------

    def _ticked(self):
        return [row for row in self._rows if row.check.checkState() == qt.Qt.Checked]

    def _chosenStyles(self):
        listed = self.ui.stylesList
        items = [listed.item(n) for n in range(listed.count)]
        names = [
            item.data(qt.Qt.UserRole)[len(NAMED) :] for item in items if item.checkState() == qt.Qt.Checked
        ]
        seeds = range(1, int(self.ui.randomSpin.value) + 1)
        named = [{"kind": "named", "name": name, "seed": None} for name in names]
        return named + [{"kind": "seed", "seed": seed} for seed in seeds]

    def _count(self):
        """Subjects to write, and those that the guard will leave out."""
        rows = self._ticked()
        if self._what == MADE:
            return len(rows), 0
        splits = [row.split.currentData for row in rows]
        pairs = [first == second for first, second in combinations(splits, 2)]
        each = int(self.ui.stepsSpin.value) * len(self._chosenStyles())
        parents = len(rows) * len(self._chosenStyles()) if self.ui.parentsCheck.checked else 0
        return sum(pairs) * each + parents, (len(pairs) - sum(pairs)) * each

    def _problem(self):
        """One sentence on why it cannot be exported, or ""."""
        rows = self._ticked()
        if self.installation.missing():
            return _("Some libraries have to be installed first: see the Translate tab.")
        if self._what == COHORT and self._ready and None in (self._styles["bundle"], self._styles["codec"]):
            return self._styles["problem"]
        if not rows:
            made = self._what == MADE and not self._rows
            return _("No heart was made in this scene yet.") if made else _("Tick at least one heart.")
        broken = next((row for row in rows if row.source.problem), None)
        if broken is not None:
            return _("{name} cannot be used: correct it in the Generate tab, or leave it out.").format(
                name=broken.node.GetName()
            )
        if self._what == MADE:
            return self._leak(rows)
        if not self._chosenStyles():
            return _("Choose at least one style.")
        if len(rows) < 2 and not self.ui.parentsCheck.checked:
            return _("Offspring need at least two hearts; tick more, or export the subjects as well.")
        if self._count()[0] == 0:
            return _("Every pair is of two different splits, and nothing may be made of those.")
        held = [(row, row.source.matching) for row in rows if row.source.matching is not None]
        for row, matching in held[1:]:
            if matching.structures != held[0][1].structures:
                return _("{first} has {a} and {second} has {b}: all hearts need the same labels.").format(
                    first=held[0][0].node.GetName(),
                    a=_names(held[0][1].structures),
                    second=row.node.GetName(),
                    b=_names(matching.structures),
                )
        return ""

    def _leak(self, rows):
        """Hearts of one origin must be of one split; it is for the records to tell origins."""
        known = {}
        for row in rows:
            record = json.loads(record_of(row.image))
            for entry in record["inputs"]:
                other, split = known.setdefault(entry["content_hash"], (row, row.split.currentData))
                if split != row.split.currentData:
                    return _("{first} and {second} descend from one heart: put both into one split.").format(
                        first=other.image.GetName(), second=row.image.GetName()
                    )
        return ""

    def _megabytes(self):
        if self._what == MADE:
            images = [row.image.GetImageData() for row in self._ticked()]
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
        ready = self._ready or self._what == MADE
        folder = bool(self.ui.folderEdit.text.strip())
        self.ui.exportButton.enabled = not problem and ready and folder and not self.work.busy

    # -- writing --------------------------------------------------------------------------------------------

    def _onBrowse(self, checked=False):
        folder = qt.QFileDialog.getExistingDirectory(slicer.util.mainWindow(), _("Folder to export to"))
        if folder:
            self.ui.folderEdit.text = folder

    def _onOpen(self, checked=False):
        qt.QDesktopServices.openUrl(qt.QUrl.fromLocalFile(self._folder))

    def _onExport(self, checked=False):
        self._force = False
        self._export(False)

    def _export(self, consent):
        if self.work.busy or self._problem():
            return
        what, rows, held = self._what, self._ticked(), []
        names = unique([(row.image or row.node).GetName() for row in rows])
        splits = [row.split.currentData for row in rows]
        arguments = self._arguments(what, consent)
        folder = arguments["folder"]
        self.ui.summaryLabel.visible = self.ui.openFolderButton.visible = False

        def ended():
            while held:
                held.pop().release()
            for reference in self._references:
                reference.stop()
            self._references = []
            self._list()

        def stopped():
            self._summary(
                _("Stopped. What is complete was kept in the folder; Export goes on where it was."), folder
            )

        self.work.begin(_("Export of {count} hearts").format(count=len(rows)), self._export, ended, stopped)
        fail = self.work.guarded(self.work.fail)
        subjects = []

        def hold(*uploads):
            for upload in uploads:
                upload.hold()
                held.append(upload)

        def following():
            number = len(subjects)
            if number == len(rows):
                submit()
            elif what == MADE:
                row = rows[number]
                reference = ReferenceScan(self.session)
                self._references.append(reference)
                reference.prepare(row.image, row.node, self._parameters, self.work.guarded(made), fail)
            else:
                rows[number].source.prepare(self.work.guarded(labelled), fail)

        def labelled(upload):
            number = len(subjects)
            hold(upload)
            patient = patientOf(rows[number].node)
            subjects.append(
                {
                    "name": names[number],
                    "labels": upload.reference(),
                    "split": splits[number],
                    "patient": patient,
                }
            )
            following()

        def made(image, labels):
            number = len(subjects)
            hold(image, labels)
            subjects.append(
                {
                    "name": names[number],
                    "image": image.reference(),
                    "labels": labels.reference(),
                    "record": json.loads(record_of(rows[number].image)),
                    "split": splits[number],
                }
            )
            following()

        def submit():
            arguments["hearts" if what == MADE else "subjects"] = subjects
            kind = "heart_save" if what == MADE else "heart_export"
            self.work.submit(kind, arguments, held, [], finished)

        def finished(answer):
            self._summary(summaryText(answer), answer["folder"])
            self.work.end(_("Export: done"))

        following()

    def _arguments(self, what, consent):
        ui = self.ui
        shared = {"layout": ui.layoutSelector.currentData, "keep_parent_names": bool(ui.namesCheck.checked)}
        folder = ui.folderEdit.text.strip()
        if what == MADE:
            return {**shared, "folder": folder}
        request = {
            **shared,
            "steps": int(ui.stepsSpin.value),
            "slices": int(ui.slicesSpin.value),
            "path": ui.pathSelector.currentData,
            "pairs": "all" if len(self._ticked()) > 1 else [],
            "styles": self._chosenStyles(),
            "parents": bool(ui.parentsCheck.checked),
            "force": self._force,
        }
        return {"request": request, "folder": folder, "consent": consent}

    def _summary(self, text, folder):
        self._folder = folder
        self.ui.summaryLabel.text = text
        self.ui.summaryLabel.visible = self.ui.openFolderButton.visible = True

    def _forget(self):
        self._quiet.stop()
        for row in self._rows:
            row.source.stop()
        self._rows = []
        self._chosen = {}
        self.ui.subjectsTable.rowCount = 0


def shortName(label):
    """What a structure is called where there is little room."""
    names = {HeartLabel.LV_CAVITY: _("LV"), HeartLabel.MYOCARDIUM: _("Myo"), HeartLabel.RV_CAVITY: _("RV")}
    return names[label]


def summaryText(answer):
    """What an export did, in words."""
    lines = [_("{count} subjects written.").format(count=len(answer["written"]))]
    if answer["skipped"]:
        lines.append(_("{count} were complete before.").format(count=len(answer["skipped"])))
    if answer["left_out"]:
        lines.append(
            _("{count} left out: {reason}").format(
                count=len(answer["left_out"]), reason=_("their parents are in different splits.")
            )
        )
    for why in answer["failed"][:5]:
        lines.append(_("{name} failed: {reason}").format(**why))
    lines.append(_("In {folder}").format(folder=answer["folder"]))
    return "\n".join(lines)


def unique(names):
    """The names, with numbers behind those that occur again."""
    result = []
    for name in names:
        candidate, number = name, 1
        while candidate in result:
            number += 1
            candidate = f"{name} {number}"
        result.append(candidate)
    return result


def patientOf(node):
    """What tells the patient that the subject hierarchy files a node under, or None. Never written."""
    tree = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    item = tree.GetItemByDataNode(node)
    while item not in (tree.GetInvalidItemID(), tree.GetSceneItemID()):
        if tree.GetItemLevel(item) == "Patient":
            return f"patient{item}"
        item = tree.GetItemParent(item)
    return None


def _names(structures):
    return ", ".join(structureName(label) for label in structures)
