"""The styles that there are, and the bundles behind them: asked of the worker, anew when bundles change."""


class KnownStyles:
    """What the worker says to ``heart_styles``, for a tab that shows it.

    Args:
        session: of the module.
        installation: what has to be installed before the worker can run.
        listed: told the answer.
        failed: told a Failure.

    Attributes:
        answer: of the worker; None before it and after bundles have changed.
    """

    def __init__(self, session, installation, listed, failed):
        self.session, self.installation = session, installation
        self._listed, self._failed = listed, failed
        self.answer = None
        self._active, self._question = False, None
        session.bundlesListed.append(self._onBundles)

    def show(self, active):
        """The tab is shown, or hidden: for one that nobody sees nothing is asked."""
        self._active = active
        if active:
            self.ask()

    def ask(self):
        """Ask the worker, unless that was done."""
        if self._question is not None or self.installation.missing():
            return
        self._question = question = object()

        # Bundles may have changed meanwhile: then another question is on its way.
        def finished(answer):
            if question is self._question:
                self._take(answer)

        def failed(failure):
            if question is self._question:
                self._question = None
                self._failed(failure)

        self.session.client.submit("heart_styles", {}, finished=finished, failed=failed)

    def has(self, *bundles):
        """Whether these are there: "bundle" paints, "codec" turns labels into latent vectors and back."""
        return self.answer is not None and None not in [self.answer[name] for name in bundles]

    def problem(self, *bundles):
        """One sentence on those of these that are not there, or ""; "" as well before the answer."""
        return "" if self.answer is None or self.has(*bundles) else self.answer["problem"]

    def cleanup(self):
        """The module ends."""
        self.session.bundlesListed.remove(self._onBundles)

    def _take(self, answer):
        self.answer = answer
        self._listed(answer)

    def _onBundles(self, bundles, changed):
        if changed is not None:
            self.answer = self._question = None
            if self._active:
                self.ask()
