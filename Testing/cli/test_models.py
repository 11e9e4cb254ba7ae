"""models list, show, verify, import and remove."""

import shutil
import zipfile

import pytest


def everything(folder):
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_an_empty_store_says_how_to_fill_it(call):
    assert "models import" in call("models", "list").out
    assert call("models", "list", "--json").document == {"bundles": [], "damaged": {}}
    assert call("models", "verify").code == 0


def test_import_list_show_verify_remove(call, bundle_folders, store, refused):
    result = call("models", "import", bundle_folders / "CT-MR")
    assert result.code == 0, result.err
    assert "tiny-ct-to-mr" in result.out
    assert everything(store / "tiny-ct-to-mr") == everything(bundle_folders / "CT-MR")
    assert "already there" in call("models", "import", bundle_folders / "CT-MR").out

    listed = call("models", "list")
    for part in ("tiny-ct-to-mr", "1.0.0", "CT to MR", "thorax", "Apache-2.0"):
        assert part in listed.out
    (entry,) = call("models", "list", "--json").document["bundles"]
    assert (entry["name"], entry["input"], entry["output"]) == ("tiny-ct-to-mr", "CT", "MR")

    shown = " ".join(call("models", "show", "tiny-ct-to-mr").out.split())
    for part in (
        "Tiny MR from CT",
        "Random weights, for tests.",
        "61.5",
        "Knows nothing.",
        entry["hash"],
        "nobody",
    ):
        assert part in shown
    card = call("models", "show", bundle_folders / "CT-MR", "--json").document["card"]
    assert card["network"]["arguments"] == {"features": 4, "blocks": 1}

    assert "tiny-ct-to-mr: in order" in call("models", "verify").out
    assert call("models", "remove", "tiny-ct-to-mr").code == 0
    assert call("models", "list", "--json").document["bundles"] == []
    refused(call("models", "remove", "tiny-ct-to-mr"), "no imported bundle")


def test_a_zip_comes_in(call, bundle_folders, tmp_path):
    archive = shutil.make_archive(str(tmp_path / "bundle"), "zip", bundle_folders / "CT-MR")
    assert call("models", "import", archive, "--json").document["status"] == "imported"


def test_verify_finds_a_changed_byte(call, bundle_folders, store):
    for direction in ("CT-MR", "MR-CT"):
        call("models", "import", bundle_folders / direction)
    (store / "tiny-ct-to-mr" / "LICENSE").write_text("something else")
    result = call("models", "verify")
    assert result.code == 2
    assert "tiny-ct-to-mr: WRONG" in result.out
    assert "tiny-mr-to-ct: in order" in result.out
    rows = call("models", "verify", "--json").document["bundles"]
    assert {row["name"]: row["ok"] for row in rows} == {"tiny-ct-to-mr": False, "tiny-mr-to-ct": True}
    assert call("models", "verify", "tiny-ct-to-mr").code == 2
    assert call("models", "verify", "tiny-mr-to-ct").code == 0


def test_a_damaged_folder_in_the_store_is_named(call, store):
    (store / "wreck" / "configs").mkdir(parents=True)
    (store / "wreck" / "configs" / "card.json").write_text("{")
    listed = call("models", "list")
    assert listed.code == 0
    assert "wreck" in listed.err
    assert call("models", "verify").code == 2


def spoil_weights(folder):
    path = folder / "models" / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-4])


def spoil_card(folder):
    path = folder / "configs" / "card.json"
    path.write_text(path.read_text().replace('"title"', '"titel"'))


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (spoil_weights, ["model.safetensors"]),
        (spoil_card, ["title"]),
        (lambda folder: (folder / "LICENSE").unlink(), ["LICENSE"]),
        (lambda folder: (folder / "extra.py").write_text("1"), ["extra.py"]),
        (lambda folder: (folder / "models" / "x.pkl").write_bytes(b"\x80"), []),
        (lambda folder: shutil.rmtree(folder), []),
    ],
)
def test_a_wrong_bundle_does_not_come_in(call, refused, bundle_folders, store, tmp_path, spoil, words):
    folder = tmp_path / "bundle"
    shutil.copytree(bundle_folders / "CT-MR", folder)
    spoil(folder)
    refused(call("models", "import", folder), *words)
    assert not store.exists() or not everything(store)


def test_a_zip_that_climbs_out_does_not_come_in(call, refused, store, tmp_path):
    with zipfile.ZipFile(tmp_path / "evil.zip", "w") as archive:
        archive.writestr("../../evil.txt", "x")
    refused(call("models", "import", tmp_path / "evil.zip"))
    assert not (tmp_path.parent / "evil.txt").exists()
    assert not store.exists() or not everything(store)


def test_a_restricted_licence_needs_consent(call, refused, store, tmp_path, write_tiny):
    licence = {"spdx": "CC-BY-NC-4.0", "restricted": True, "notice": "For study only."}
    folder = write_tiny(tmp_path / "restricted", licence=licence).folder
    refused(call("models", "import", folder), "For study only.")
    assert call("models", "import", folder, "--json").document["error"]["type"] == "ConsentRequired"
    assert call("models", "import", folder, "--accept-licence").code == 0
    assert "restricted" in call("models", "show", "tiny-ct-to-mr").out


def test_on_a_terminal_the_licence_is_shown_and_asked(call, store, tmp_path, write_tiny, monkeypatch):
    import SynthLogic.cli.models as commands

    licence = {"spdx": "CC-BY-NC-4.0", "restricted": True, "notice": "For study only."}
    folder = write_tiny(tmp_path / "restricted", licence=licence).folder
    asked = []
    monkeypatch.setattr(commands, "agrees", lambda name, notice: asked.append((name, notice)) or True)
    assert call("models", "import", folder).code == 0
    assert asked == [("tiny-ct-to-mr", "For study only.")]


def test_unknown_names_are_refused(call, refused):
    refused(call("models", "show", "nobody"), "no bundle")
    refused(call("models", "verify", "nobody"), "no bundle")
