"""Long work: compress, front, quantize, memories, static norms; progress and what callbacks raise."""
from __future__ import annotations

import warnings

import numpy as np
import pytest
from conftest import RESNET

import tercel

FEW = {"calibration_pictures": 8, "tuning_pictures": 8, "held_out_pictures": 16, "preprocessing": "cifar", "threads": 1}


@pytest.fixture(scope="module")
def onnx_path(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "resnet.onnx"
    tercel.decompress(RESNET, path)
    return path


def test_lossless(onnx_path, picture, tmp_path):
    model = tercel.load(onnx_path)
    found = tercel.compress(model, lossless=True)
    assert found.report.lossless and found.report.result.bytes == len(found.to_bytes()) and not found.interrupted
    found.save(tmp_path / "m.tercel")
    assert (tmp_path / "m.tercel").read_bytes() == found.to_bytes()
    np.testing.assert_array_equal(tercel.Session(tmp_path / "m.tercel", threads=1)(picture), tercel.Session(model, threads=1)(picture))


def test_compress_to_a_ratio_and_tell_how_far(onnx_path, pictures):
    stages = []
    model = tercel.load(onnx_path)
    options = {"target_ratio": 5, "effort": 2, "force": True, **FEW}
    found = tercel.compress(model, pictures, progress=lambda stage, done: stages.append((stage, done)), **options)
    assert 4.5 < found.report.result.ratio < 6 and found.report.result.pictures == 16
    assert len({stage for stage, _ in stages}) > 1 and all(0 <= done <= 1 for _, done in stages)
    assert found.report.layers[0].bits_per_weight > 0 and found.report.to_dict()["layers"][0]["rows"] > 0
    assert tercel.compress(model, pictures, **options).to_bytes() == found.to_bytes()  # the same seed, the same bytes
    assert tercel.Session(found.model, threads=1).classify(next(pictures.glob("*/*.png")))


def test_front(onnx_path, pictures):
    front = tercel.compression_front(tercel.load(onnx_path), [3, 6], pictures, effort=1, **FEW)
    assert isinstance(front, tercel.Front) and [point.asked for point in front] == [3, 6]
    assert front.rows()[0]["agreement"] <= 1
    assert "<svg" in front._repr_html_() and "<table" in front._repr_html_()


def test_quantize(onnx_path, pictures):
    found = tercel.quantize(tercel.load(onnx_path), pictures, calibration_pictures=12, held_out_pictures=12, preprocessing="cifar",
                            threads=1)
    assert found.report.quantized_parameters > 0 and "QuantizeLinear" in {node.op for node in found.model.nodes}
    with pytest.raises(tercel.Error, match="entropy"):
        tercel.quantize(tercel.load(onnx_path), pictures, range="entropy")


def test_memories(pictures, tmp_path):
    model = tercel.load(RESNET).with_preprocessing("cifar")
    found = tercel.fit_hopfield(model, pictures, threads=1)
    assert found.report.classes == 2 and sorted(found.model.labels) == ["bird", "cat"]
    assert tercel.Session(found.model, threads=1).classify(next(pictures.glob("*/*.png")), top=1)[0].label in ("bird", "cat")
    new = tmp_path / "frog"
    new.mkdir()
    for i, path in enumerate(sorted(pictures.glob("cat/*.png"))[:4]):
        (new / f"{i}.png").write_bytes(path.read_bytes())
    more = tercel.add_hopfield_classes(found.model, new, threads=1)
    assert more.report.classes == 3
    assert len(tercel.remove_hopfield_class(more.model, "frog").labels) == 2
    assert tercel.in_standard_operators(found.model).nodes
    with pytest.raises(tercel.Error, match="frog"):
        tercel.remove_hopfield_class(found.model, "frog")


def test_static_norm_wants_norms(pictures, onnx_path):
    with pytest.raises(tercel.Error):
        tercel.static_norm(tercel.load(onnx_path), pictures, estimator="affine", threads=1)
    with pytest.raises(tercel.Error, match="estimator|nonsense"):
        tercel.static_norm(tercel.load(onnx_path), pictures, estimator="nonsense")


def test_what_a_callback_raises_comes_out(onnx_path, pictures):
    class Mine(Exception):
        pass

    def failing(stage, done):
        raise Mine("from the callback")

    with pytest.raises(Mine, match="from the callback"):
        tercel.compress(tercel.load(onnx_path), pictures, target_ratio=5, force=True, progress=failing, **FEW)
    with pytest.raises(tercel.Error) as stopped:
        tercel.compress(tercel.load(onnx_path), pictures, target_ratio=5, force=True, progress=lambda stage, done: False, **FEW)
    assert stopped.value.code == "stopped"
    with pytest.raises(TypeError, match="progress"):
        tercel.compress(tercel.load(onnx_path), pictures, progress=5)


def test_bars_of_tqdm_work(onnx_path, pictures):
    class Bar:
        made = []

        def __init__(self, total=1.0):
            self.total, self.n, self.closed, self.text = total, 0.0, False, ""
            Bar.made.append(self)

        def update(self, n):
            self.n += n

        def set_description(self, text):
            self.text = text

        def close(self):
            self.closed = True

    tercel.compress(tercel.load(onnx_path), pictures, target_ratio=5, force=True, effort=1, progress=Bar, **FEW)
    assert len(Bar.made) > 1 and all(0 <= bar.n <= 1 + 1e-9 and bar.text for bar in Bar.made)
    one = Bar(total=100)
    tercel.compress(tercel.load(onnx_path), pictures, target_ratio=5, force=True, effort=1, progress=one, **FEW)
    assert 0 < one.n <= 100 + 1e-6


def test_skipped_pictures_are_warnings(onnx_path, pictures, tmp_path):
    folder = tmp_path / "some"
    folder.mkdir()
    for i, path in enumerate(sorted(pictures.glob("*/*.png"))):
        (folder / f"{i}.png").write_bytes(path.read_bytes())
    (folder / "0.png").write_bytes((folder / "0.png").read_bytes()[:100])
    every = {**FEW, "calibration_pictures": 16, "tuning_pictures": 8, "held_out_pictures": 16}
    with pytest.warns(UserWarning, match="0.png"):
        tercel.compress(tercel.load(onnx_path), folder, target_ratio=5, force=True, effort=1, **every)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(UserWarning, match="0.png"):
            tercel.compress(tercel.load(onnx_path), folder, target_ratio=5, force=True, effort=1, **every)


def test_options_out_of_range(onnx_path, pictures):
    model = tercel.load(onnx_path)
    for options, words in (({"profile": "best"}, "best"), ({"effort": 11}, "effort"), ({"target_ratio": 5000}, "1000"),
                           ({"max_drop": -1}, "drop")):
        with pytest.raises(tercel.Error, match=words):
            tercel.compress(model, pictures, **{**FEW, **options})
    with pytest.raises(tercel.Error, match="nowhere"):
        tercel.compress(model, "nowhere", **FEW)
    with pytest.raises(TypeError):
        tercel.compress(model, pictures, ratio=5)


NUL = "a\0b"


@pytest.mark.parametrize("call", [
    lambda model, found: tercel.load(NUL),
    lambda model, found: tercel.Session(NUL),
    lambda model, found: tercel.decompress(RESNET, NUL),
    lambda model, found: tercel.Session(model).classify(NUL),
    lambda model, found: model.save_onnx(NUL),
    lambda model, found: tercel.optimize(model, dump_dir=NUL),
    lambda model, found: tercel.compress(model, NUL, target_ratio=5),
    lambda model, found: tercel.compression_front(model, [5], NUL),
    lambda model, found: tercel.quantize(model, NUL),
    lambda model, found: tercel.quantize(model, ".", held_out=NUL),
    lambda model, found: tercel.static_norm(model, NUL),
    lambda model, found: tercel.fit_hopfield(model, NUL),
    lambda model, found: tercel.add_hopfield_classes(model, NUL),
    lambda model, found: found.save(NUL),
])
def test_a_path_with_a_nul_is_none(call):
    model = tercel.load(RESNET)
    with pytest.raises(tercel.Error, match="not a path"):
        call(model, tercel.compress(model, lossless=True))
