"""The hearts that an export can take: which take part, in which split, and what is wrong with them."""

import json

import qt
import slicer
import vtk
from slicer.i18n import tr as _
from slicer.util import VTKObservationMixin

from CrossModalSynthLib.heart_source import HeartSource, structureName
from SynthLogic.hearts import HeartLabel
from SynthLogic.scene import is_synthetic, record_of
from SynthLogic.scene.heart_results import made_hearts
from SynthLogic.scene.nodes import nodes_of_class

COHORT, MADE = "cohort", "made"
SPLITS = ("train", "val", "test")
QUIET_MS = 200
# Ticked, and place in SPLITS.
AT_FIRST = (True, 0)


class Row:
    """One heart that can take part.

    Attributes:
        node: its segmentation or label map.
        image: what was made of it, or None.
        source: HeartSource of the node.
        key: tells it from others of the scene.
        check, split, note: cells of the table.
    """

    def __init__(self, node, image, source):
        self.node, self.image, self.source = node, image, source
        self.key = (image or node).GetID()
        self.check = self.note = self.split = None

    @property
    def ticked(self):
        """Whether it takes part."""
        return self.check.checkState() == qt.Qt.Checked

    @property
    def looking(self):
        """Whether it is not known yet what it holds."""
        return self.source.matching is None and not self.source.problem

    @property
    def title(self):
        """Name of what takes part."""
        return (self.image or self.node).GetName()


class SubjectsTable(VTKObservationMixin):
    """Owns the table and follows the scene.

    Args:
        table: QTableWidget with three columns.
        session: of the module.
        frozen: says whether hearts must stay as they are listed: they are being exported.
        changed: called when ticks, splits, or what is known of a heart may have changed.

    Attributes:
        rows: a Row for each heart.
        kind: of these: COHORT, to make others of; or MADE, those that were made here.
    """

    def __init__(self, table, session, frozen, changed):
        VTKObservationMixin.__init__(self)
        self.table, self.session = table, session
        self._frozen, self._changed = frozen, changed
        self.kind, self.rows = COHORT, []
        self._wanted = COHORT
        self._parameters, self._active, self._chosen = None, False, {}
        table.setHorizontalHeaderLabels([_("Heart"), _("Split"), _("Holds")])
        table.verticalHeader().visible = False
        table.horizontalHeader().setSectionResizeMode(0, qt.QHeaderView.Stretch)
        table.horizontalHeader().setSectionResizeMode(1, qt.QHeaderView.Fixed)
        table.horizontalHeader().setSectionResizeMode(2, qt.QHeaderView.Stretch)
        table.connect("itemChanged(QTableWidgetItem*)", self._onChosen)
        self._quiet = qt.QTimer()
        self._quiet.setSingleShot(True)
        self._quiet.setInterval(QUIET_MS)
        self._quiet.connect("timeout()", self.refresh)
        for event in (slicer.vtkMRMLScene.NodeAddedEvent, slicer.vtkMRMLScene.NodeRemovedEvent):
            self.addObserver(slicer.mrmlScene, event, self._onScene)

    @property
    def ticked(self):
        """Rows that take part."""
        return [row for row in self.rows if row.ticked]

    def show(self, active):
        """The tab is shown, or hidden."""
        self._active = active
        if active:
            self.refresh()

    def choose(self, kind):
        """List hearts of another kind."""
        self._wanted = kind
        self.refresh()

    def follow(self, parameters):
        """Corrections of segments are in ``parameters``."""
        self._parameters = parameters
        if self._active:
            self.refresh()

    def forget(self):
        """Hearts belong to their scene."""
        self._quiet.stop()
        for row in self.rows:
            row.source.stop()
        self.rows, self._chosen = [], {}
        self.table.rowCount = 0

    def cleanup(self):
        """The module ends."""
        self.removeObservers()
        self.forget()

    def refresh(self):
        """Show the hearts of the scene; ticks and splits of those that stay are kept."""
        if self._frozen() or self._parameters is None:
            return
        before = {(id(row.node), id(row.image)): row for row in self.rows}
        rows, self.kind = [], self._wanted
        for node, image in self._candidates():
            row = before.pop((id(node), id(image)), None)
            if row is None:
                row = Row(node, image, HeartSource(self.session, self._showNotes))
            rows.append(row)
        for row in before.values():
            row.source.stop()
        self._remember()
        self.rows = []
        self._fill(rows)
        self.rows = rows
        for row in rows:
            row.source.choose(row.node, self._parameters)
        self._showNotes()

    def unusable(self):
        """One sentence on why those that are ticked cannot be used, or ""."""
        rows = self.ticked
        if not rows:
            made = self.kind == MADE and not self.rows
            return _("No heart was made in this scene yet.") if made else _("Tick at least one heart.")
        broken = next((row for row in rows if row.source.problem), None)
        if broken is not None:
            return _("{name} cannot be used: correct it in the Generate tab, or leave it out.").format(
                name=broken.node.GetName()
            )
        return self._leak(rows) if self.kind == MADE else ""

    def mixed(self):
        """One sentence on hearts with different labels, or ""."""
        held = [(row, row.source.matching) for row in self.ticked if row.source.matching is not None]
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

    # -- inside ---------------------------------------------------------------------------------------------

    def _candidates(self):
        """(labels, image or None) of each heart that can take part."""
        if self.kind == MADE:
            return [(labels, image) for image, labels in made_hearts(slicer.mrmlScene)]
        found = nodes_of_class(slicer.mrmlScene, "vtkMRMLSegmentationNode")
        found += nodes_of_class(slicer.mrmlScene, "vtkMRMLLabelMapVolumeNode")
        return [(node, None) for node in found if not is_synthetic(node) and not node.GetHideFromEditors()]

    def _remember(self):
        for row in self.rows:
            chosen = (row.ticked, row.split.currentIndex)
            # Before it is known whether it can be used, nobody has said that it is to take part.
            if chosen != AT_FIRST or not row.looking:
                self._chosen[row.key] = chosen

    def _fill(self, rows):
        table = self.table
        wasBlocked = table.blockSignals(True)
        table.rowCount = 0
        table.rowCount = len(rows)
        for n, row in enumerate(rows):
            ticked, split = self._chosen.get(row.key, AT_FIRST)
            row.check = qt.QTableWidgetItem(row.title)
            row.check.setFlags(qt.Qt.ItemIsEnabled | qt.Qt.ItemIsUserCheckable)
            row.check.setCheckState(qt.Qt.Checked if ticked else qt.Qt.Unchecked)
            row.split = qt.QComboBox()
            for label, value in zip((_("Training"), _("Validation"), _("Test")), SPLITS, strict=True):
                row.split.addItem(label, value)
            row.split.currentIndex = split
            row.split.connect("currentIndexChanged(int)", self._onChosen)
            row.note = qt.QTableWidgetItem()
            table.setItem(n, 0, row.check)
            table.setCellWidget(n, 1, row.split)
            table.setItem(n, 2, row.note)
            table.setColumnWidth(1, row.split.sizeHint.width() + 4)
        table.resizeRowsToContents()
        table.blockSignals(wasBlocked)

    def _showNotes(self):
        wasBlocked = self.table.blockSignals(True)
        for row in self.rows:
            source = row.source
            if source.problem:
                text = source.problem
            elif row.looking:
                text = _("looking...")
            else:
                text = ", ".join(shortName(label) for label in source.matching.structures)
            if source.problem and row.key not in self._chosen:
                # What cannot be used does not take part, unless somebody insists.
                row.check.setCheckState(qt.Qt.Unchecked)
                self._chosen[row.key] = (False, row.split.currentIndex)
            row.note.setText(text)
            row.note.setToolTip(text)
        self.table.blockSignals(wasBlocked)
        self._changed()

    def _onChosen(self, *ignored):
        self._changed()

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def _onScene(self, caller, event, node):
        if self._active and node is not None and node.IsA("vtkMRMLDisplayableNode"):
            self._quiet.start()


def shortName(label):
    """What a structure is called where there is little room."""
    names = {HeartLabel.LV_CAVITY: _("LV"), HeartLabel.MYOCARDIUM: _("Myo"), HeartLabel.RV_CAVITY: _("RV")}
    return names[label]


def _names(structures):
    return ", ".join(structureName(label) for label in structures)
