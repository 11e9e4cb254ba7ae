"""Tasks about hearts through a real process: the same voxels as without it."""

import numpy as np
import pytest

from SynthLogic.inference import Monitor
from SynthLogic.jobs import (
    CohortRequest,
    Hearts,
    InterpolateRequest,
    PaintRequest,
    heart_of,
    paint_volume,
)
from SynthLogic.jobs.offspring import Maker
from SynthLogic.jobs.paint import style_id
from SynthLogic.volume import Scan, ScanMeta, Volume, content_hash
from SynthLogic.worker import Failure, Result

CPU = {"device": "cpu", "precision": "fp32", "model": "tiny-paint", "codec": "tiny-label-vae"}


def scan_of(volume):
    return Scan(volume, ScanMeta("memory", "memory", None, volume.array.dtype.name), content_hash(volume))


def comparable(record):
    return {k: v for k, v in record.items() if k not in ("timings", "created")}


@pytest.fixture
def do(worker):
    """Run a task; answers its result, arrays copied and files let go."""

    def run(kind, uploads=(), results=(), **arguments):
        run = worker.client.submit(kind, {**CPU, **arguments}, uploads=uploads, results=results)
        outcome = worker.outcome(run)
        if isinstance(outcome, Result):
            arrays = {name: array.copy() for name, array in outcome.arrays.items()}
            outcome.close()
            return outcome.answer, arrays
        return outcome

    return run


@pytest.fixture
def pair(worker, hearts):
    return [worker.upload(hearts.heart_labels(9)), worker.upload(hearts.heart_labels(7, radius=30.0))]


def test_styles_come_from_the_card(worker, do):
    answer = do("heart_styles")
    assert answer["bundle"]["name"] == "tiny-paint"
    assert answer["codec"]["name"] == "tiny-label-vae"
    assert [style["name"] for style in answer["styles"]] == ["vendor-a", "vendor-b"]
    assert answer["problem"] == ""
    wrong = worker.answer("heart_styles", model="tiny-label-vae")
    assert wrong["bundle"] is None
    assert wrong["styles"] == []
    assert "encodes labels" in wrong["problem"]


def test_open_says_what_a_heart_is(worker, do, hearts, pair):
    answer = do("heart_open", labels=pair[0].reference(), encode=True)
    assert (answer["slices"], answer["length_mm"], answer["slice_mm"]) == (9, 64, 8)
    assert answer["volumes_ml"]["lv_cavity"] > 20
    assert answer["wall_mm"] == pytest.approx(9, abs=1)
    assert answer["findings"] == []
    assert set(answer["reconstruction"]) == {"lv_cavity", "myocardium", "rv_cavity"}
    without = worker.upload(hearts.heart_labels(rv=False))
    answer = do("heart_open", labels=without.reference())
    assert "no RV cavity" in answer["findings"][0]["message"]
    assert answer["reconstruction"] is None
    unknown = worker.upload(Volume(hearts.heart_labels().array * 3, np.eye(4)))
    failure = do("heart_open", labels=unknown.reference())
    assert isinstance(failure, Failure)
    assert "6, 9" in failure.message
    assert "expected" in failure.message


def test_paint_as_without_the_worker(worker, do, hearts, store):
    labels = hearts.heart_labels()
    style = {"kind": "named", "name": "vendor-b", "seed": 4}
    upload = worker.upload(labels)
    answer, arrays = do(
        "heart_paint", [upload], ["image"], labels=upload.reference(), style=style, segmentation="s1"
    )
    request = PaintRequest(style=style, device="cpu", precision="fp32", model="tiny-paint")
    direct = paint_volume(request, scan_of(labels))
    np.testing.assert_array_equal(arrays["image"], direct.image.array)
    assert comparable(answer["record"]) == comparable(direct.record.model_dump(mode="json"))
    assert (answer["dtype"], answer["background"], answer["units"]) == ("int16", 0, "a.u.")
    assert answer["frame"] == "new"


def test_an_edit_keeps_the_frame_of_its_segmentation(worker, do, hearts):
    labels = hearts.heart_labels(pixel_mm=1.37)
    edited = labels.array.copy()
    edited[5, 30:36, 30:40] = 2
    first, second = worker.upload(labels), worker.upload(labels.with_array(edited))

    def paint(upload, **options):
        arguments = {"labels": upload.reference(), "segmentation": "s2", **options}
        answer, arrays = do("heart_paint", [upload], ["image"], **arguments)
        return answer, arrays["image"]

    answer, image = paint(first)
    assert answer["frame"] == "new"
    answer, again = paint(second)
    assert answer["frame"] == "kept"
    assert (again != image).any(axis=(1, 2)).tolist() == [n == 5 for n in range(11)]
    answer, anew = paint(second, keep_frame=False)
    assert answer["frame"] == "new"
    assert (anew != image).any(axis=(1, 2)).sum() > 1
    # A heart that has moved away cannot keep its place.
    moved = labels.ijk_to_ras.copy()
    moved[:3, 3] += 150
    answer, _ = paint(worker.upload(Volume(labels.array, moved)))
    assert answer["frame"] == "new"
    assert "placed anew" in answer["warnings"][0]


def test_the_style_of_a_scan(worker, do, hearts, pair):
    scan = worker.upload(hearts.heart_image(hearts.heart_labels(9)))
    style = {"kind": "scan", "image": scan.reference(), "labels": pair[0].reference()}
    answer, arrays = do("heart_paint", [*pair, scan], ["image"], labels=pair[1].reference(), style=style)
    assert answer["record"]["styles"][0]["image_hash"] == content_hash(
        hearts.heart_image(hearts.heart_labels(9))
    )
    assert arrays["image"].any()


def test_a_doubtful_reference_scan_stops_unless_forced(worker, do, hearts, pair):
    sound = hearts.heart_image(hearts.heart_labels(9))
    scan = worker.upload(sound.with_array(1000 - sound.array))  # blood darker than muscle
    style = {"kind": "scan", "image": scan.reference(), "labels": pair[0].reference()}
    jobs = {
        "heart_paint": {"labels": pair[1].reference(), "style": style},
        "heart_blend": {"a": pair[0].reference(), "b": None, "t": 0.0, "style_a": style, "paint": "all"},
    }
    for kind, arguments in jobs.items():
        for _ in range(2):
            failure = do(kind, [*pair, scan], ["image"], **arguments)
            assert isinstance(failure, Failure)
            assert failure.message.startswith("Reference scan: What is labelled LV cavity is no brighter")
            assert "; add --force" in failure.message
        _, arrays = do(kind, [*pair, scan], ["image"], force=True, **arguments)
        assert arrays["image"].any()


def test_blend_as_without_the_worker(do, pair, hearts, store):
    arguments = {
        "a": pair[0].reference(),
        "b": pair[1].reference(),
        "t": 0.25,
        "slices": 12,
        "style_a": {"kind": "named", "name": "vendor-a"},
        "style_b": {"kind": "named", "name": "vendor-b"},
    }
    names = ["labels", "image"]
    everything, arrays = do("heart_blend", pair, names, paint="all", **arguments)
    desk = Hearts()
    request = InterpolateRequest(slices=12, **CPU, style_a=arguments["style_a"], style_b=arguments["style_b"])
    maker = Maker(request, desk)
    a, b = (heart_of(scan_of(v)) for v in (hearts.heart_labels(9), hearts.heart_labels(7, radius=30.0)))
    styles = [style_id(desk, maker.painter, choice, None) for choice in (request.style_a, request.style_b)]
    direct = maker.step(a, b, 0.25, styles, Monitor())
    np.testing.assert_array_equal(arrays["labels"], direct.labels.array)
    np.testing.assert_array_equal(arrays["image"], direct.image.array)
    assert everything["shape"] == [12, 128, 128]
    np.testing.assert_array_equal(everything["ijk_to_ras"], direct.labels.ijk_to_ras)
    assert everything["volumes_ml"] == direct.record.volumes_ml
    assert everything["record"]["output"] == direct.record.output.model_dump(mode="json")
    visible, single = do("heart_blend", pair, names, paint="slice", slice=5, **arguments)
    assert visible["slice"] == 5
    np.testing.assert_array_equal(single["image"], arrays["image"][5:6])
    clipped, _ = do("heart_blend", pair, names, paint="slice", slice=99, **arguments)
    assert clipped["slice"] == 11
    labels, only = do("heart_blend", pair, names, **arguments)
    assert labels["results"] == ["labels"]
    assert list(only) == ["labels"]


def test_blend_one_heart_and_what_cannot_be_blended(worker, do, pair, hearts):
    answer, arrays = do("heart_blend", pair, ["labels"], a=pair[0].reference(), b=None, t=0.3, slices=17)
    assert answer["t"] == 0
    assert arrays["labels"].shape == (17, 128, 128)
    without = worker.upload(hearts.heart_labels(rv=False))
    failure = do("heart_blend", [], ["labels"], a=pair[0].reference(), b=without.reference(), t=0.3)
    assert failure.kind == "InputError"
    assert "same structures" in failure.message
    failure = do("heart_blend", [], ["labels"], a=pair[0].reference(), b=None, t=0.3, slices=301)
    assert failure.kind == "ConfigError"


def test_export_with_progress_and_again(worker, do, pair, tmp_path):
    subjects = [
        {"name": f"Doe{n}", "labels": upload.reference(), "split": None} for n, upload in enumerate(pair)
    ]
    request = {"layout": "plain", "steps": 3, "slices": 5, "styles": [{"kind": "seed", "seed": 1}]}
    CohortRequest.from_data(request)
    arguments = {"request": {**request, **CPU}, "subjects": subjects, "folder": str(tmp_path / "cohort")}
    steps = []
    run = worker.client.submit("heart_export", arguments, uploads=pair, progress=steps.append)
    answer = worker.outcome(run)
    assert len(answer["written"]) == 3
    assert answer["pseudonyms"] == {"Doe0": "P001", "Doe1": "P002"}
    assert (steps[-1].done, steps[-1].total, steps[-1].unit) == (3, 3, "subjects")
    again = worker.outcome(worker.client.submit("heart_export", arguments, uploads=pair))
    assert len(again["skipped"]) == 3
    assert again["written"] == []


def test_cancelled_export_keeps_what_is_complete(worker, pair, tmp_path):
    subjects = [{"name": f"Doe{n}", "labels": upload.reference()} for n, upload in enumerate(pair)]
    request = {"layout": "plain", "steps": 20, "slices": 6, "styles": [{"kind": "seed", "seed": 1}], **CPU}
    arguments = {"request": request, "subjects": subjects, "folder": str(tmp_path / "cohort")}
    run = worker.client.submit("heart_export", arguments, uploads=pair)
    worker.until(lambda: run.step is not None and run.step.done >= 2)
    worker.client.cancel(run)
    assert worker.outcome(run).kind == "Cancelled"
    worker.until(lambda: worker.client.state in ("idle", "off"), 10)
    made = {path.parent.name for path in (tmp_path / "cohort").glob("*/*.png")}
    assert 2 <= len(made) < 20
    answer = worker.outcome(worker.client.submit("heart_export", arguments, uploads=pair))
    assert len(answer["skipped"]) >= len(made)
    assert len(answer["written"]) + len(answer["skipped"]) == 20


def test_bundles_that_come_and_go_are_noticed(worker, do, hearts, tmp_path, pair):
    arguments = {"a": pair[0].reference(), "b": None, "t": 0.0, "slices": 4, "codec": None}
    before, _ = do("heart_blend", pair, ["labels"], **arguments)
    better = hearts.heart_bundle(tmp_path / "better", "label-vae", name="heart-labels-vae", version="99.0.0")
    worker.answer("import", source=str(better.folder))
    after, _ = do("heart_blend", pair, ["labels"], **arguments)
    worker.answer("remove", name="heart-labels-vae")
    assert before["record"]["codec"]["version"] != "99.0.0"
    assert after["record"]["codec"]["version"] == "99.0.0"


def test_release_lets_go_and_the_next_move_works(worker, do, pair):
    arguments = {"a": pair[0].reference(), "b": pair[1].reference(), "t": 0.5, "slices": 4}
    _, first = do("heart_blend", pair, ["labels"], **arguments)
    worker.answer("release")
    _, second = do("heart_blend", pair, ["labels"], **{**arguments})
    np.testing.assert_array_equal(first["labels"], second["labels"])
