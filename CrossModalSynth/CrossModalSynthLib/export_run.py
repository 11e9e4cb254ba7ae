"""One export: the hearts are sent one after the other, then the worker writes the folder."""

import json

import slicer
from slicer.i18n import tr as _

from CrossModalSynthLib.heart_scan import HeartScan
from CrossModalSynthLib.subjects_table import MADE
from SynthLogic.scene import record_of


class ExportRun:
    """What was chosen at the click is what is written.

    Args:
        session: of the module.
        work: the HeartWork that shows how far it is.
        kind: COHORT or MADE.
        rows: of the SubjectsTable, those that take part.
        parameters: with the user's corrections of segments.
        arguments: of the worker's task, without the hearts.
        told: told what is in the folder, in words, and the folder.
    """

    def __init__(self, session, work, kind, rows, parameters, arguments, told):
        self.session, self.work = session, work
        self._made, self._rows, self._parameters = kind == MADE, rows, parameters
        self._arguments, self._told = arguments, told
        self._names = unique([row.title for row in rows])
        self._splits = [row.split.currentData for row in rows]
        self._subjects, self._uploads, self._scans = [], [], []

    def start(self, again, ended):
        """Begin; see ``HeartWork.begin``."""

        def over():
            while self._uploads:
                self._uploads.pop().release()
            while self._scans:
                self._scans.pop().stop()
            ended()

        title = _("Export of {count} hearts").format(count=len(self._rows))
        self.work.begin(title, again, over, self._stopped)
        self._send()

    def _send(self):
        number = len(self._subjects)
        if number == len(self._rows):
            self._submit()
            return
        row, fail = self._rows[number], self.work.guarded(self.work.fail)
        if self._made:
            scan = HeartScan(self.session)
            self._scans.append(scan)
            scan.prepare(row.image, row.node, self._parameters, self.work.guarded(self._onScan), fail)
        else:
            row.source.prepare(self.work.guarded(self._onLabels), fail)

    def _onLabels(self, labels):
        row = self._rows[len(self._subjects)]
        self._add([labels], labels=labels.reference(), patient=patientOf(row.node))

    def _onScan(self, image, labels):
        row = self._rows[len(self._subjects)]
        record = json.loads(record_of(row.image))
        self._add([image, labels], image=image.reference(), labels=labels.reference(), record=record)

    def _add(self, uploads, **subject):
        for upload in uploads:
            upload.hold()
            self._uploads.append(upload)
        number = len(self._subjects)
        self._subjects.append({"name": self._names[number], "split": self._splits[number], **subject})
        self._send()

    def _submit(self):
        kind, key = ("heart_save", "hearts") if self._made else ("heart_export", "subjects")
        arguments = {**self._arguments, key: self._subjects}
        self.work.submit(kind, arguments, self._uploads, [], self._onWritten)

    def _onWritten(self, answer):
        self._told(summaryText(answer), answer["folder"])
        self.work.end(_("Export: done"))

    def _stopped(self):
        text = _("Stopped. What is complete was kept in the folder; Export goes on where it was.")
        self._told(text, self._arguments["folder"])


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


def authorsIn(text):
    """The authors that were typed, one a line or with semicolons between them."""
    names = (name.strip() for name in text.replace(";", "\n").splitlines())
    return [name for name in names if name]


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
