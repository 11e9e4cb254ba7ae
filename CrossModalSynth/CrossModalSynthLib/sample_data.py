"""Simulated subjects for the Sample Data module, made on the spot."""

from slicer.i18n import tr as _


def addSubject(scene, seed):
    """Simulate thorax ``seed`` and add its CT and MR to ``scene``; returns both nodes, [CT, MR].

    The subject is none of the cohorts the shipped bundles were trained or tested on.
    """
    from SynthLogic.phantoms import make_subject
    from SynthLogic.scene import add_volume

    subject = make_subject(SAMPLE_COHORT, seed)
    names = [_("SimulatedThorax{number} CT"), _("SimulatedThorax{number} MR")]
    volumes = [subject.ct, subject.mr]
    return [
        add_volume(scene, volume, name.format(number=seed))
        for name, volume in zip(names, volumes, strict=True)
    ]


# Not among the seeds of training (11), demo (2027) and test (2026).
SAMPLE_COHORT = 31
