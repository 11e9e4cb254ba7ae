"""``python -m SynthLogic.worker``: run jobs for the process at the other end of the pipes."""

from SynthLogic.threads import sleep_while_waiting
from SynthLogic.worker.server import main

if __name__ == "__main__":
    sleep_while_waiting()
    main()
