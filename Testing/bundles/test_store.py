from __future__ import annotations

import json
import os
import shutil
import stat
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from SynthLogic.bundles import (
    Bundle,
    ConsentRequired,
    damaged,
    find,
    import_bundle,
    installed,
    pick,
    remove,
    store,
    unpack,
)
from SynthLogic.errors import BundleError, OutputError

Make = Callable[..., Bundle]


def zipped(bundle: Bundle, target: Path, prefix: str = "") -> Path:
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(bundle.folder.rglob("*")):
            archive.write(path, prefix + path.relative_to(bundle.folder).as_posix())
    return target


def everything(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*"))


@pytest.mark.parametrize("form", ["folder", "zip", "zip with folder"])
def test_imported_bundles_are_found_listed_and_removed(
    make: Make, tmp_path: Path, home: Path, form: str
) -> None:
    made = make()
    prefix = "tiny/" if form == "zip with folder" else ""
    source = made.folder if form == "folder" else zipped(made, tmp_path / "b.zip", prefix)
    assert installed() == []
    assert not home.exists()
    result = import_bundle(source)
    assert (result.status, result.bundle.hash) == ("imported", made.hash)
    assert result.bundle.folder == home / "bundles" / made.name
    assert everything(result.bundle.folder) == everything(made.folder)
    assert [p.name for p in (home / "bundles").iterdir()] == [made.name]
    assert find(made.name).hash == made.hash
    find(made.name).verify()
    assert [b.name for b in installed()] == [made.name]
    remove(made.name)
    assert installed() == []
    assert list((home / "bundles").iterdir()) == []
    with pytest.raises(BundleError, match="no imported bundle"):
        remove(made.name)


def test_the_same_again_is_said_to_be_there_and_another_needs_a_higher_version(make: Make) -> None:
    import_bundle(make(at="a").folder)
    again = import_bundle(make(at="b").folder)
    assert again.status == "already there"
    assert "already there" in again.message
    for version in ("1.0.0", "0.9.0", "1.0.0-rc.1"):
        with pytest.raises(BundleError, match="not higher"):
            import_bundle(make(at=f"c{version}", seed=1, version=version).folder)
    higher = import_bundle(make(at="d", seed=1, version="1.0.1").folder)
    assert higher.status == "replaced"
    assert find("tiny-ct-to-mr").version == "1.0.1"
    find("tiny-ct-to-mr").verify()


def test_what_a_killed_import_left_goes_with_the_next_one(make: Make) -> None:
    folder = import_bundle(make().folder).bundle.folder.parent
    for name, age_s in ((".import-old", 2 * 3600), (".import-running", 0)):
        (folder / name / "bundle").mkdir(parents=True)
        os.utime(folder / name, (time.time() - age_s,) * 2)
    import_bundle(make(at="b").folder)
    assert sorted(p.name for p in folder.glob(".*")) == [".import-running"]


def test_a_damaged_installed_bundle_is_named_and_mended_by_importing_it_again(make: Make, home: Path) -> None:
    made = make()
    placed = import_bundle(made.folder).bundle
    (placed.folder / "models/model.safetensors").write_bytes(b"")
    with pytest.raises(BundleError):
        find(made.name).verify()
    assert import_bundle(made.folder).status == "replaced"
    find(made.name).verify()
    (placed.folder / "configs/card.json").write_text("{}")
    assert installed() == []
    assert list(damaged()) == [made.name]
    with pytest.raises(BundleError, match="card is wrong"):
        find(made.name)
    assert import_bundle(made.folder).status == "imported"
    find(made.name).verify()
    assert damaged() == {}


def spoil_weights(folder: Path) -> None:
    (folder / "models/model.safetensors").write_bytes(b"x")


def spoil_card(folder: Path) -> None:
    (folder / "configs/card.json").write_text("{")


def spoil_licence(folder: Path) -> None:
    (folder / "LICENSE").unlink()


def spoil_extra(folder: Path) -> None:
    (folder / "run.py").write_text("print(1)")


@pytest.mark.parametrize("spoil", [spoil_weights, spoil_card, spoil_licence, spoil_extra])
@pytest.mark.parametrize("as_zip", [False, True])
def test_nothing_is_left_of_a_bundle_that_is_not_in_order(
    make: Make, tmp_path: Path, home: Path, spoil: Callable[[Path], None], as_zip: bool
) -> None:
    made = make()
    spoil(made.folder)
    with pytest.raises(BundleError):
        import_bundle(zipped(made, tmp_path / "b.zip") if as_zip else made.folder)
    assert everything(home) == []


@pytest.mark.parametrize(
    "name",
    ["../evil.txt", "/evil.txt", "tiny/../../evil.txt", "C:/evil.txt", "a\\..\\evil.txt", "nul", "x/./y"],
)
def test_a_zip_cannot_write_outside(make: Make, tmp_path: Path, home: Path, name: str) -> None:
    path = zipped(make(), tmp_path / "b.zip")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(name, "evil")
    before = everything(tmp_path)
    with pytest.raises(BundleError):
        import_bundle(path)
    assert [p for p in everything(tmp_path) if p != "home"] == before
    assert everything(home) == []


def test_links_bombs_repeats_and_damage_in_a_zip_are_refused(
    make: Make, tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make()
    link = zipped(made, tmp_path / "link.zip")
    info = zipfile.ZipInfo("docs/link")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(link, "a") as archive:
        archive.writestr(info, "/etc/passwd")
    twice = zipped(made, tmp_path / "twice.zip")
    with zipfile.ZipFile(twice, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("LICENSE", "other")
    cut = tmp_path / "cut.zip"
    cut.write_bytes(link.read_bytes()[:-300])
    torn = tmp_path / "torn.zip"
    content = bytearray(zipped(made, tmp_path / "whole.zip").read_bytes())
    content[200:260] = bytes(60)
    torn.write_bytes(bytes(content))
    for path in (link, twice, cut, torn):
        with pytest.raises(BundleError):
            import_bundle(path)
    bomb = zipped(made, tmp_path / "bomb.zip")
    with zipfile.ZipFile(bomb, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("docs/zeros.txt", bytes(3_000_000))
    monkeypatch.setattr(unpack, "MAX_BYTES", 1_000_000)
    with pytest.raises(BundleError, match="GiB"):
        import_bundle(bomb)
    monkeypatch.setattr(unpack, "MAX_FILES", 3)
    with pytest.raises(BundleError, match="3 files"):
        import_bundle(link.with_name("whole.zip"))
    assert everything(home) == []


def test_what_is_no_bundle_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("x")
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
        archive.writestr("readme.txt", "x")
    (tmp_path / "empty").mkdir()
    for name in ("text.txt", "other.zip", "empty", "absent"):
        with pytest.raises(BundleError):
            import_bundle(tmp_path / name)


def test_an_import_that_fails_at_the_last_step_leaves_the_old_bundle(
    make: Make, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import_bundle(make(at="a").folder)
    newer = make(at="b", seed=1, version="2.0.0")
    rename = store.os.rename

    def fail(source: Path, target: Path) -> None:
        if Path(source).parent.name.startswith(".import-"):
            raise OSError(28, "No space left on device")
        rename(source, target)

    monkeypatch.setattr(store.os, "rename", fail)
    with pytest.raises(OutputError, match="No space left"):
        import_bundle(newer.folder)
    find("tiny-ct-to-mr").verify()
    assert find("tiny-ct-to-mr").version == "1.0.0"
    assert [p.name for p in (home / "bundles").iterdir()] == ["tiny-ct-to-mr"]


def test_a_restricted_licence_is_asked_for_once(make: Make, home: Path) -> None:
    restricted = {"spdx": "CC-BY-NC-4.0", "restricted": True, "notice": "Research only."}
    made = make(licence=restricted)
    with pytest.raises(ConsentRequired) as caught:
        import_bundle(made.folder)
    assert caught.value.notice == "Research only."
    assert everything(home) == []
    with pytest.raises(ConsentRequired):
        find(made.folder)
    import_bundle(made.folder, consent=True)
    assert find(made.name).hash == made.hash
    assert find(made.folder).hash == made.hash
    assert pick("CT", "MR")[0].hash == made.hash
    remove(made.name)
    assert import_bundle(made.folder).status == "imported"
    other = make(at="other", licence=restricted, version="1.1.0")
    with pytest.raises(ConsentRequired):
        import_bundle(other.folder)
    (home / "bundles/consents.json").write_text("broken")
    with pytest.raises(ConsentRequired):
        find(made.name)
    assert find(made.name, consent=True).hash == made.hash
    assert json.loads((home / "bundles/consents.json").read_text()) == {made.hash: {"licence": True}}


def test_shipped_bundles_are_read_only_and_give_way_to_higher_versions(make: Make, tmp_path: Path) -> None:
    shipped = make(at="shipped/tiny-ct-to-mr")
    assert [b.hash for b in installed()] == [shipped.hash]
    with pytest.raises(BundleError, match="ships with the program"):
        remove(shipped.name)
    assert import_bundle(make(at="same").folder).status == "already there"
    assert import_bundle(make(at="new", version="1.1.0").folder).status == "replaced"
    assert find(shipped.name).version == "1.1.0"
    remove(shipped.name)
    assert find(shipped.name).version == "1.0.0"
    shipped.verify()


def test_find_takes_a_folder_and_lists_what_there_is(make: Make, tmp_path: Path) -> None:
    made = make()
    assert find(made.folder).hash == made.hash
    assert find(str(made.folder)).hash == made.hash
    with pytest.raises(BundleError, match="installed: none"):
        find("absent")
    import_bundle(made.folder)
    with pytest.raises(BundleError, match="installed: tiny-ct-to-mr"):
        find("absent")
    shutil.rmtree(made.folder / "models")
    assert find(made.name).folder != made.folder


def test_an_unwritable_store_is_said(tmp_path: Path, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("x")
    monkeypatch.setenv("CROSSMODALSYNTH_HOME", str(tmp_path / "file"))
    with pytest.raises(OutputError, match="CROSSMODALSYNTH_HOME"):
        import_bundle(make().folder)


def install(make: Make, name: str, **changes: object) -> None:
    import_bundle(make(at=f"for-{name}", name=name, **changes).folder)


def test_pick_prefers_anatomy_then_the_better_figure_then_the_version(make: Make) -> None:
    with pytest.raises(BundleError, match="installed: none"):
        pick("CT", "MR")

    def mae(value: float, on: str = "10 phantoms") -> list[dict[str, object]]:
        return [{"name": "MAE", "value": value, "units": "a.u.", "on": on}]

    install(make, "b-only", figures=mae(60))
    assert pick("CT", "MR")[0].name == "b-only"
    assert "the only installed bundle" in pick("CT", "MR")[1]
    with pytest.raises(BundleError, match=r"b-only \(MR from CT\)"):
        pick("MR", "CT")
    install(make, "c-better", figures=mae(50))
    bundle, why = pick("CT", "MR")
    assert bundle.name == "c-better"
    assert "MAE of 50 a.u. on 10 phantoms is the best of 2" in why
    install(make, "d-hip", figures=mae(10), coverage__anatomy="hip")
    assert pick("CT", "MR", "thorax")[0].name == "c-better"
    assert pick("CT", "MR", "hip")[0].name == "d-hip"
    assert "none is made for brain" in pick("CT", "MR", "brain")[1]
    install(make, "a-elsewhere", figures=mae(1, "other data"), version="3.0.0")
    bundle, why = pick("CT", "MR", "thorax")
    assert bundle.name == "a-elsewhere"
    assert "cannot be compared" in why
    assert pick("CT", "MR", "thorax") == (bundle, why)
