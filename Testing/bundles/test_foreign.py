from __future__ import annotations

import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from SynthLogic.bundles import Bundle, Card, find, import_bundle, write_bundle
from SynthLogic.bundles.pickles import refuse_pickle
from SynthLogic.errors import BundleError

from .conftest import card_data
from .test_bundle import rewrite

Make = Callable[..., Bundle]


class Halve(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return 0.5 * x


class Flat(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.flatten()


class Trap:
    """Creates a file as soon as it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return (Path.touch, (self.path,))


def foreign_card(kind: str, **changes: Any) -> Card:
    return Card.from_data(card_data(format=kind, network={"name": kind, "arguments": {}}, **changes))


def torchscript(path: Path, module: nn.Module | None = None) -> Path:
    torch.jit.save(torch.jit.trace(module or Halve(), torch.zeros(1, 1, 8, 8)), str(path))
    return path


def onnx_model(path: Path) -> Path:
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    helper, float32 = onnx.helper, onnx.TensorProto.FLOAT
    shape = ["n", 1, "j", "i"]
    graph = helper.make_graph(
        [helper.make_node("Mul", ["x", "half"], ["y"])],
        "halve",
        [helper.make_tensor_value_info("x", float32, shape)],
        [helper.make_tensor_value_info("y", float32, shape)],
        [helper.make_tensor("half", float32, [1], [0.5])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path.write_bytes(model.SerializeToString())
    return path


@pytest.mark.parametrize(("kind", "export"), [("torchscript", torchscript), ("onnx", onnx_model)])
def test_a_foreign_model_comes_in_only_when_trusted(
    tmp_path: Path, home: Path, kind: str, export: Callable[[Path], Path]
) -> None:
    made = write_bundle(tmp_path / "made", foreign_card(kind), export(tmp_path / "model"))
    with pytest.raises(BundleError, match="--trust"):
        import_bundle(made.folder)
    assert not home.exists()
    with pytest.raises(BundleError, match="--trust"):
        find(made.folder).load_network()
    image = torch.randn(2, 1, 8, 12)
    for bundle in (
        find(made.folder, trust=True),
        import_bundle(made.folder, trust=True).bundle,
        find(made.name),
    ):
        network = bundle.load_network()
        with torch.inference_mode():
            torch.testing.assert_close(network(image), 0.5 * image)
    find(made.name).verify()


def test_a_model_that_is_no_image_to_image_network_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="does not map"):
        write_bundle(tmp_path / "b", foreign_card("torchscript"), torchscript(tmp_path / "m", Flat()))
    (tmp_path / "junk").write_bytes(b"\x08\x01junk")
    with pytest.raises(BundleError, match="ONNX model cannot be loaded"):
        write_bundle(tmp_path / "b", foreign_card("onnx"), tmp_path / "junk")
    with pytest.raises(BundleError, match="not a TorchScript archive"):
        write_bundle(tmp_path / "b", foreign_card("torchscript"), tmp_path / "junk")


def test_onnxruntime_is_asked_for_when_it_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "onnxruntime", None)
    (tmp_path / "m.onnx").write_bytes(b"\x08\x08")
    with pytest.raises(BundleError, match="pip install onnxruntime"):
        write_bundle(tmp_path / "b", foreign_card("onnx"), tmp_path / "m.onnx")


def bare_pickle(trap: Trap, protocol: int) -> bytes:
    return pickle.dumps(trap, protocol=protocol)


def saved_by_torch(trap: Trap, path: Path, archive: bool) -> bytes:
    torch.save({"state": trap}, path, _use_new_zipfile_serialization=archive)
    return path.read_bytes()


@pytest.mark.parametrize("kind", ["protocol 0", "protocol 2", "protocol 5", "torch.save", "torch.save, old"])
@pytest.mark.parametrize(
    "where", ["models/model.safetensors", "models/model.ts", "docs/notes.md", "models/model.pt"]
)
def test_a_pickle_is_never_opened(make: Make, tmp_path: Path, home: Path, kind: str, where: str) -> None:
    sprung = tmp_path / "sprung"
    trap = Trap(sprung)
    if kind.startswith("protocol"):
        content = bare_pickle(trap, int(kind[-1]))
    else:
        content = saved_by_torch(trap, tmp_path / "saved", archive=kind == "torch.save")
    if where == "models/model.ts":
        bundle = write_bundle(tmp_path / "made", foreign_card("torchscript"), torchscript(tmp_path / "model"))
    else:
        bundle = make()
    rewrite(bundle, where, content)
    harmless = where == "docs/notes.md" and kind == "protocol 0"  # plain text that nothing here ever reads
    opened = Bundle.open(bundle.folder, trusted=True)
    if harmless:
        opened.verify()
    else:
        with pytest.raises(BundleError):
            opened.verify()
        with pytest.raises(BundleError):
            import_bundle(bundle.folder, trust=True)
        assert not home.exists()
    if where == opened.card.weights_path:
        with pytest.raises(BundleError):
            opened.load_network()
    assert not sprung.exists()
    pickle.loads(bare_pickle(trap, 2))
    assert sprung.exists(), "the trap itself must work"


def test_a_pickle_smuggled_into_torchscript_is_not_run(tmp_path: Path) -> None:
    sprung = tmp_path / "sprung"
    good, bad = torchscript(tmp_path / "good.ts"), tmp_path / "bad.ts"
    with zipfile.ZipFile(good) as source, zipfile.ZipFile(bad, "w") as target:
        for name in source.namelist():
            evil = name.endswith(("data.pkl", "constants.pkl"))
            target.writestr(name, bare_pickle(Trap(sprung), 2) if evil else source.read(name))
    with pytest.raises(BundleError, match="cannot be loaded"):
        write_bundle(tmp_path / "b", foreign_card("torchscript"), bad)
    assert not sprung.exists()


def test_safetensors_whose_first_bytes_look_like_a_pickle_pass(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes((0x0480).to_bytes(8, "little") + b'{"a":')
    refuse_pickle(path, "safetensors")
