import os
import signal
import threading

import pytest

from SynthLogic.cli.interrupt import cancel_on_interrupt


@pytest.mark.skipif(os.name == "nt", reason="Windows cannot send itself Ctrl-C here")
def test_first_interrupt_asks_and_second_insists(capsys):
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), cancel_on_interrupt() as cancelled:  # noqa: PT012
        assert not cancelled()
        os.kill(os.getpid(), signal.SIGINT)
        assert cancelled()
        os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before
    assert "Cancelling" in capsys.readouterr().err


def test_other_threads_run_without_signals():
    seen = []

    def work():
        with cancel_on_interrupt() as cancelled:
            seen.append(cancelled())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [False]
