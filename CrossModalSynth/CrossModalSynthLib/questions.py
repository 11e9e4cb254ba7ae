"""What only the user can decide about a bundle."""

import qt
import slicer
from slicer.i18n import tr as _


def agreesToLicence(failure):
    """Ask whether the user agrees to a bundle's restricted licence."""
    question = _("The licence of this bundle asks for your consent, once:\n\n{notice}").format(
        notice=failure.data.get("notice", failure.message)
    )
    return slicer.util.confirmOkCancelDisplay(question, windowTitle=_("Cross-Modal Synthesis"))


def trustsAuthor(failure):
    """Ask whether the user trusts the author of a foreign model; Enter alone means no."""
    box = qt.QMessageBox(slicer.util.mainWindow())
    box.icon = qt.QMessageBox.Warning
    box.windowTitle = _("Cross-Modal Synthesis")
    box.text = _("Do you trust the author of the bundle {name}?").format(name=failure.data.get("name", ""))
    box.informativeText = _(
        "Its model is a program by somebody else (TorchScript or ONNX), not just weights for a network that "
        "this module knows. It can do what you can do on this computer. Import it only if you know who made "
        "it and trust them."
    )
    box.standardButtons = qt.QMessageBox.Yes | qt.QMessageBox.No
    box.setDefaultButton(qt.QMessageBox.No)
    return box.exec_() == qt.QMessageBox.Yes
