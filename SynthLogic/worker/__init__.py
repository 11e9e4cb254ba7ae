"""The worker: one process runs jobs for a window that never waits.

The window's side (``Client``, ``protocol``, ``voxels``, ``pipes``) needs the standard library and numpy only.
"""

from typing import TYPE_CHECKING

from SynthLogic.lazy import on_demand

if TYPE_CHECKING:
    from SynthLogic.worker.client import Client
    from SynthLogic.worker.latest import Latest
    from SynthLogic.worker.pipes import PipeTransport
    from SynthLogic.worker.runs import Result, Run, Step, Translated
    from SynthLogic.worker.verdicts import Failure
    from SynthLogic.worker.voxels import Upload, copy_in_steps
else:
    __getattr__ = on_demand(
        __name__,
        {
            "Client": "client",
            "Failure": "verdicts",
            "Latest": "latest",
            "PipeTransport": "pipes",
            "Result": "runs",
            "Run": "runs",
            "Step": "runs",
            "Translated": "runs",
            "Upload": "voxels",
            "copy_in_steps": "voxels",
        },
    )

__all__ = [
    "Client",
    "Failure",
    "Latest",
    "PipeTransport",
    "Result",
    "Run",
    "Step",
    "Translated",
    "Upload",
    "copy_in_steps",
]
