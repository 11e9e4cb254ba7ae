"""Heart A, and heart B if there is one, each with its style."""

from slicer.i18n import tr as _

from CrossModalSynthLib.heart_picker import HeartPicker
from CrossModalSynthLib.style_chooser import StyleChooser


class HeartPair:
    """Owns the widgets that choose the two.

    Args:
        pieces: their widgets by name: heartA, styleA, heartB, styleB.
        session: of the module.
        heartChanged: called when anything about a heart may have changed.
        styleChanged: called when another style is chosen; of another scan that lends it ``chosen`` tells.
    """

    def __init__(self, pieces, session, heartChanged, styleChanged):
        self.pickers = [
            HeartPicker(pieces[f"heart{x}"], session, f"heart{x}", heartChanged) for x in ("A", "B")
        ]
        self.styles = [
            StyleChooser(pieces["styleA"], session, "heartA", styleChanged),
            StyleChooser(pieces["styleB"], session, "heartB", styleChanged, same=True),
        ]

        for picker, style in zip(self.pickers, self.styles, strict=True):
            style.ui.seedSpin.connect("valueChanged(int)", lambda seed: styleChanged())
            picker.ui.heartLabel.text = _("Heart:")
        self.pickers[1].ui.heartSelector.noneDisplay = _("None: heart A alone, with more slices")

    @property
    def first(self):
        """The node of heart A, or None."""
        return self.pickers[0].node

    @property
    def alone(self):
        """Whether there is no heart B."""
        return self.pickers[1].node is None

    @property
    def usable(self):
        """Whether those that are chosen are hearts."""
        return self.pickers[0].source.usable and (self.alone or self.pickers[1].source.usable)

    @property
    def broken(self):
        """Whether one cannot be used as it is."""
        return any(picker.source.problem for picker in self.pickers)

    @property
    def state(self):
        """Differs whenever other labels would be sent."""
        return tuple((id(p.node), p.source.usable, p.source.state) for p in self.pickers)

    @property
    def chosen(self):
        """Differs whenever another heart, another kind of style, or another scan that lends it is chosen."""
        hearts = [picker.node and picker.node.GetID() for picker in self.pickers]
        return (*hearts, *((style.kind, style.lender) for style in self.styles))

    @property
    def title(self):
        """What lies between the two is called so."""
        a, b = (picker.source.title for picker in self.pickers)
        return _("{a} resliced").format(a=a) if self.alone else _("{a} to {b}").format(a=a, b=b)

    def listStyles(self, styles):
        """Offer these of the bundle."""
        for style in self.styles:
            style.listStyles(styles)

    def follow(self, parameters):
        """Show what ``parameters`` hold."""
        for piece in (*self.pickers, *self.styles):
            piece.follow(parameters)

    def stop(self):
        """Let go of all labels and scans."""
        for picker in self.pickers:
            picker.source.stop()
        for style in self.styles:
            style.stop()

    def prepare(self, finished, failed):
        """Have everything where the worker reads it, one after the other.

        Args:
            finished: told the arguments of ``heart_blend`` that say what, and the Uploads.
            failed: told a Failure.
        """
        count = 1 if self.alone else 2
        arguments, uploads = {"a": None, "b": None}, []

        def heart(n):
            def sent(upload):
                arguments["ab"[n]] = upload.reference()
                uploads.append(upload)
                following(n + 1)

            self.pickers[n].source.prepare(sent, failed)

        def style(n):
            def chosen(style, scans):
                arguments[f"style_{'ab'[n]}"] = style
                uploads.extend(scans)
                following(count + n + 1)

            self.styles[n].prepare(chosen, failed)

        def following(n):
            if n < count:
                heart(n)
            elif n < 2 * count:
                style(n - count)
            else:
                finished(arguments, uploads)

        following(0)
