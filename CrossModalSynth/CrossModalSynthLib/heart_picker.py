"""The widgets that choose a heart: its node, what its segments become, and what is wrong with it."""

import qt
from slicer.i18n import tr as _

from CrossModalSynthLib.heart_source import HeartSource, structureName
from SynthLogic.hearts import STRUCTURES

CHOICES = (*STRUCTURES, None)
ROWS_SHOWN = 5


class HeartPicker:
    """Owns the widgets of HeartSource.ui.

    Args:
        ui: its widgets by name.
        session: of the module.
        role: attribute of the parameter node that holds the chosen node.
        changed: called when anything about it may have changed.
    """

    def __init__(self, ui, session, role, changed):
        self.ui, self.role, self._changed = ui, role, changed
        self.source = HeartSource(session, self._onSource)
        self._parameters = None
        self._shown = None
        self._combos = []
        ui.heartSelector.setProperty("SlicerParameterName", role)
        table = ui.partsTable
        table.setHorizontalHeaderLabels([_("Segment"), _("Becomes"), _("Why")])
        table.verticalHeader().visible = False
        table.horizontalHeader().setSectionResizeMode(0, qt.QHeaderView.Stretch)
        table.horizontalHeader().setSectionResizeMode(1, qt.QHeaderView.ResizeToContents)
        table.horizontalHeader().setSectionResizeMode(2, qt.QHeaderView.ResizeToContents)

    @property
    def node(self):
        """The chosen node, or None."""
        return self.source.node

    def follow(self, parameters):
        """Show what ``parameters`` hold, or nothing."""
        self._parameters = parameters
        node = None if parameters is None else getattr(parameters, self.role)
        self.source.choose(node, parameters)

    def _onSource(self):
        self._showTable()
        self.ui.problemLabel.text = self.source.problem
        self.ui.problemLabel.visible = bool(self.source.problem)
        self._changed()

    def _showTable(self):
        source, table = self.source, self.ui.partsTable
        matching = source.matching
        rows = (
            []
            if matching is None
            else [(s.name, matching.labels[s.value], matching.reasons[s.value]) for s in matching.segments]
        )
        table.visible = bool(rows)
        if rows == self._shown:
            return
        self._shown = rows
        # Combo boxes of the table stay as long as the same segments do: one of them may be telling us this.
        if len(rows) != len(self._combos):
            self._combos = []
            table.rowCount = 0
            table.rowCount = len(rows)
            for row in range(len(rows)):
                combo = qt.QComboBox()
                for label in CHOICES:
                    combo.addItem(structureName(label), 0 if label is None else int(label))
                combo.connect("currentIndexChanged(int)", lambda index, row=row: self._onChoice(row, index))
                table.setItem(row, 0, qt.QTableWidgetItem())
                table.setCellWidget(row, 1, combo)
                table.setItem(row, 2, qt.QTableWidgetItem())
                self._combos.append(combo)
        reasons = {
            "terminology": _("terminology"),
            "name": _("name"),
            "value": _("value"),
            "correction": _("your choice"),
            "": _("not recognised"),
        }
        corrected = source.corrected()
        for row, (name, label, reason) in enumerate(rows):
            table.item(row, 0).setText(name)
            ignored = reason == "" and row in corrected
            table.item(row, 2).setText(_("your choice") if ignored else reasons[reason])
            combo = self._combos[row]
            wasBlocked = combo.blockSignals(True)
            combo.currentIndex = CHOICES.index(label)
            combo.blockSignals(wasBlocked)
        table.resizeRowsToContents()
        shown = min(len(rows), ROWS_SHOWN)
        height = table.horizontalHeader().sizeHint.height() + 4
        height += sum(table.rowHeight(row) for row in range(shown))
        table.minimumHeight = height
        table.maximumHeight = height

    def _onChoice(self, row, index):
        if self._parameters is not None and row < len(self.source.parts):
            self.source.correct(self.source.parts[row].key, CHOICES[index])
