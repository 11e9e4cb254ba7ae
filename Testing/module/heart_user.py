"""What a user does with the tabs about hearts; tiny random bundles stand in for the shipped ones."""

import importlib.util
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from SynthLogic.scene import Segment, add_segmentation, is_synthetic, volume_of

WAIT_S = 120
PLAIN = [Segment(1, "LV blood pool"), Segment(2, "Myocardium"), Segment(3, "RV")]


def tiny_hearts():
    """The module tiny_hearts of the tests of jobs."""
    name = "tiny_hearts"
    if name not in sys.modules:
        path = Path(__file__).parents[1] / "jobs" / "tiny_hearts.py"
        spec = importlib.util.spec_from_file_location(name, path)
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return sys.modules[name]


class HeartUser:
    """Hearts in the scene, and what the module makes of them."""

    def __init__(self, host, widget):
        self.host, self.widget, self.scene = host, widget, host.scene

    def heart(self, name="Heart", segments=PLAIN, image=False, **shape):
        """A segmentation of a simple heart, drawn on an image of it if ``image``."""
        from SynthLogic.scene import add_volume

        labels = tiny_hearts().heart_labels(**shape)
        source = None
        if image:
            source = add_volume(self.scene, tiny_hearts().heart_image(labels), f"{name} scan")
        return add_segmentation(self.scene, labels, segments, name, source=source)

    def open_tab(self, name):
        self.widget.ui.tabs.setCurrentWidget(getattr(self.widget.ui, f"{name}Tab"))
        self.host.spin(0.05)

    def wait(self, predicate, seconds=WAIT_S):
        self.host.wait(predicate, seconds)

    def synthetic(self, kind=None):
        count = self.scene.GetNumberOfNodes()
        nodes = [self.scene.GetNthNode(n) for n in range(count)]
        return [n for n in nodes if is_synthetic(n) and (kind is None or n.IsA(kind))]

    def array(self, node):
        return np.array(volume_of(node).array)

    @property
    def state(self):
        return self.widget.session.client.state


NAMES = {"paint": "heart-labels-to-mr", "label-vae": "heart-labels-vae"}


@pytest.fixture(scope="session")
def heart_store(tmp_path_factory):
    """Folders of tiny bundles that take the place of those that ship; not to be changed."""
    folder = tmp_path_factory.mktemp("heart-bundles")
    return {
        name: tiny_hearts().heart_bundle(folder / name, task, name=name, version="99.0.0").folder
        for task, name in NAMES.items()
    }


def restrict(folder):
    """Put a bundle into the store ``folder`` that paints, and whose licence nobody has agreed to yet."""
    licence = {"spdx": "CC-BY-NC-4.0", "restricted": True, "notice": "Research only."}
    name = NAMES["paint"]
    shutil.rmtree(folder / name)
    tiny_hearts().heart_bundle(folder / name, "paint", name=name, version="99.1.0", licence=licence)


@pytest.fixture
def hearts(host, module, heart_store, tmp_path):
    """A user in whose store these bundles are."""
    for name, folder in heart_store.items():
        shutil.copytree(folder, tmp_path / "home" / "bundles" / name)
    return HeartUser(host, module)
