"""Models, sessions and pictures in the words of C++."""
from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
from conftest import PHOTOS, RESNET, ROOT, network

import tercel


def test_load_from_path_bytes_and_proto(picture):
    wanted = tercel.Session(tercel.load(RESNET), threads=1)(picture)
    data = RESNET.read_bytes()
    for source in (str(RESNET), RESNET, data, bytearray(data), memoryview(data)):
        np.testing.assert_array_equal(tercel.Session(tercel.load(source), threads=1)(picture), wanted)
    np.testing.assert_array_equal(tercel.Session(RESNET, threads=1)(picture), wanted)
    model = tercel.load(network())
    assert model.nodes[0].op == "Relu" and model.nodes[0].name == "the_node"


def test_errors_are_value_errors_with_a_trail(tmp_path):
    with pytest.raises(tercel.Error, match="nowhere.onnx") as found:
        tercel.load("nowhere.onnx")
    assert found.value.code == "not_found" and isinstance(found.value, ValueError)
    again = pickle.loads(pickle.dumps(found.value))
    assert str(again) == str(found.value) and again.code == "not_found"
    path = tmp_path / "half.tercel"
    path.write_bytes(RESNET.read_bytes()[:5000])
    with pytest.raises(tercel.Error, match="half.tercel: ") as found:
        tercel.load(path)
    assert found.value.code == "bad_input"
    bad = network("Conv", shape=(1, 1, 4, 4), inputs=2, dilations=[0, 1])
    with pytest.raises(tercel.Error, match="the_node.*dilations|dilations"):
        tercel.Session(tercel.load(bad)).run([np.ones((1, 1, 4, 4), np.float32)] * 2)


def test_what_a_model_tells():
    model = tercel.load(RESNET)
    port, = model.inputs
    assert (port.dtype, port.shape) == ("f32", [-1, 3, 32, 32])
    assert model.outputs[0].shape[-1] == 10
    assert len(model.labels) == 10 and model.metadata["tercel.labels"]
    assert model.parameters > 200_000 and model.parameter_bytes >= model.parameters
    assert {node.op for node in model.nodes} >= {"Conv"}
    assert model.pass_log == []
    onnx = pytest.importorskip("onnx")
    again = network()
    again.graph.node.insert(0, onnx.helper.make_node("Identity", ["x0"], ["a"]))
    again.graph.node[1].input[0] = "a"
    lean = tercel.optimize(tercel.load(again))
    assert len(lean.nodes) == 1
    assert sum(report.changes for report in lean.pass_log) > 0
    assert tercel.optimize(model, without=["fold_constants"]).pass_log
    with pytest.raises(tercel.Error, match="nonsense"):
        tercel.optimize(model, without=["nonsense"])
    assert "Conv" in model.text() and "Conv" in model._repr_html_()
    assert model.preprocessing == pickle.loads(pickle.dumps(model.preprocessing))
    assert model.with_labels(["a", "b"]).labels == ["a", "b"]
    assert model.with_shapes({port.name: [2, 3, 32, 32]}).inputs[0].shape == [2, 3, 32, 32]
    assert model.with_preprocessing("vit").preprocessing == tercel.Preprocessing("vit")


def test_save_onnx_and_decompress(tmp_path, picture):
    wanted = tercel.Session(RESNET, threads=1)(picture)
    model = tercel.decompress(RESNET, tmp_path / "m.onnx")
    assert model.name == str(RESNET)
    np.testing.assert_allclose(tercel.Session(tmp_path / "m.onnx", threads=1)(picture), wanted, atol=1e-5)
    with pytest.raises(tercel.Error, match="no/such") as found:
        model.save_onnx("/no/such/folder/m.onnx")
    assert found.value.code in ("io", "not_found")


def test_sessions_answer_alike_whatever_the_options(picture):
    wanted = tercel.Session(RESNET, engine="reference")(picture)
    for options in ({}, {"threads": 2}, {"optimize": False}, {"isa": "baseline"}):
        np.testing.assert_allclose(tercel.Session(RESNET, **options)(picture), wanted, atol=1e-4)
    for options, words in (({"threads": -1}, "threads"), ({"engine": "abacus"}, "abacus"), ({"isa": "mmx"}, "mmx"),
                           ({"without": ["x"]}, "x")):
        with pytest.raises(tercel.Error, match=words):
            tercel.Session(RESNET, **options)
    assert "cpu" in [engine.name for engine in tercel.available_engines()]


def test_precision(picture):
    exact = tercel.Session(RESNET, threads=1, precision="fp32")(picture)
    rounded = tercel.Session(RESNET, threads=1, precision="bf16")
    for session in (rounded, pickle.loads(pickle.dumps(rounded))):
        error = np.abs(session(picture) - exact).max() / np.abs(exact).max()
        assert 0 < error < 0.03
    with pytest.raises(tercel.Error, match="fp8"):
        tercel.Session(RESNET, precision="fp8")


def test_shapes_change_from_call_to_call(resnet):
    for batch in (1, 3, 2, 5, 6, 1):
        assert resnet(np.ones((batch, 3, 32, 32), np.float32)).shape == (batch, 10)
    port, = resnet.output_ports({resnet.model.inputs[0].name: [4, 3, 32, 32]})
    assert port.shape == [4, 10]


def test_profile(resnet, picture):
    report = resnet.profile(picture, runs=3)
    rows = report.rows()
    assert len(rows) == len(report.steps) > 10 and rows[0].keys() >= {"node", "op", "variant", "ms", "macs"}
    assert sum(row["ms"] for row in rows) > 0
    assert "<table" in report._repr_html_()
    assert resnet.profile(runs=1).engine == report.engine
    with pytest.raises(tercel.Error, match="runs"):
        resnet.profile(runs=0)


def test_classify_whatever_the_picture(resnet):
    Image = pytest.importorskip("PIL.Image")
    path = PHOTOS / "cat.jpg"
    wanted = resnet.classify(path)
    assert len(wanted) == 5 and wanted[0].label == "cat" and wanted[0].probability > wanted[1].probability
    pixels = tercel.Image(path).pixels()
    with_alpha = np.dstack([pixels, np.full(pixels.shape[:2], 255, np.uint8)])
    for picture in (str(path), path.read_bytes(), tercel.Image(path), pixels, pixels[:, :, ::-1][:, :, ::-1], with_alpha,
                    Image.fromarray(pixels)):
        assert [(c.index, c.probability) for c in resnet.classify(picture)] == [(c.index, c.probability) for c in wanted]
    assert len(resnet.classify(path, top=2)) == 2
    for bad in (np.zeros((4, 4, 3), np.float32), np.zeros((4, 4, 2), np.uint8), np.zeros((0, 4, 3), np.uint8), 5, None, b"no picture",
                "nowhere.jpg", np.zeros(5, np.uint8)):
        with pytest.raises(tercel.Error):
            resnet.classify(bad)
    with pytest.raises(tercel.Error, match="224"):
        resnet.classify(path, preprocessing="vit")


def test_preprocess():
    path = PHOTOS / "cat.jpg"
    how = tercel.Preprocessing("imagenet", width=64, height=48, resize=80)
    x = tercel.preprocess(path, how)
    assert x.shape == (1, 3, 48, 64) and x.dtype == np.float32
    out = np.empty_like(x)
    assert tercel.preprocess(path, how, out=out) is out
    np.testing.assert_array_equal(out, x)
    with pytest.raises(tercel.Error, match="out"):
        tercel.preprocess(path, how, out=np.empty((1, 3, 4, 4), np.float32))
    assert tercel.preprocess(path, "mnist").shape == (1, 1, 28, 28)
    assert tercel.preprocess(path, tercel.load(RESNET)).shape == (1, 3, 32, 32)
    assert tercel.preprocess(path, tercel.Preprocessing(layout="hwc")).shape == (1, 224, 224, 3)
    for settings, words in (({"width": 0}, "width"), ({"mean": [1, 2]}, "mean"), ({"stddev": 0}, "stddev"), ({"fit": "x"}, "fit"),
                            ({"channels": "cmyk"}, "channels")):
        with pytest.raises(tercel.Error, match=words):
            tercel.preprocess(path, tercel.Preprocessing(**settings))
    for name in tercel.Preprocessing.presets():
        preset = tercel.Preprocessing(name)
        assert pickle.loads(pickle.dumps(preset)) == preset == tercel.Preprocessing.from_metadata(preset.to_metadata())
        assert hash(preset) == hash(tercel.Preprocessing(name))
    with pytest.raises(tercel.Error, match="imagenet"):
        tercel.Preprocessing("imagnet")


def test_models_and_sessions_pickle(picture):
    wanted = tercel.Session(RESNET, threads=1)(picture)
    model = tercel.load(RESNET)
    for again in (pickle.loads(pickle.dumps(model)), copy.copy(model), copy.deepcopy(model)):
        assert again.name == model.name and again.metadata == model.metadata
        np.testing.assert_array_equal(tercel.Session(again, threads=1)(picture), wanted)
    lean = pickle.loads(pickle.dumps(tercel.optimize(model)))
    np.testing.assert_allclose(tercel.Session(lean, threads=1)(picture), wanted, atol=1e-5)
    session = pickle.loads(pickle.dumps(tercel.Session(model, threads=1, engine="reference")))
    assert session.threads == 1 and session.profile(picture, runs=1).engine == "reference"
    assert tercel.Session.__module__ == tercel.Model.__module__ == "tercel"


def test_answers_and_reports_pickle(picture):
    """As multiprocessing sends them back."""
    session = tercel.Session(RESNET, threads=1)
    answers = session.classify(PHOTOS / "cat.jpg", top=3)
    again = pickle.loads(pickle.dumps(answers))
    assert [a.to_dict() for a in again] == [a.to_dict() for a in answers] and again[0].label == "cat"
    for report in (session.profile(picture, runs=1), session.model.inputs[0], session.model.nodes[0]):
        assert pickle.loads(pickle.dumps(report)).to_dict() == report.to_dict()
    with pytest.raises(tercel.Error, match="another version"):
        tercel.Class.__new__(tercel.Class).__setstate__((1,))


def test_files_are_not_written_under_the_other_formats_ending(tmp_path):
    with pytest.raises(tercel.Error, match="ends in .onnx"):
        tercel.load(RESNET).save_onnx(tmp_path / "m.tercel")
    with pytest.raises(tercel.Error, match="ends in .onnx"):
        tercel.decompress(RESNET, tmp_path / "m.tercel")
    with pytest.raises(tercel.Error, match="ends in .tercel"):
        tercel.compress(tercel.load(RESNET), lossless=True).save(tmp_path / "m.onnx")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("top", [0, -1])
def test_no_classes_are_no_answer(top):
    with pytest.raises(tercel.Error, match="top"):
        tercel.Session(RESNET).classify(PHOTOS / "cat.jpg", top=top)


def test_the_program_is_the_same(capfd):
    import subprocess
    import sys

    def tercel_program(*words):
        return subprocess.run([sys.executable, "-m", "tercel", *words], capture_output=True, text=True, cwd=ROOT)

    assert tercel_program("--version").stdout == f"tercel {tercel.__version__}\n"
    shown = tercel_program("classify", str(RESNET), str(PHOTOS / "cat.jpg"), "--top", "1")
    assert shown.returncode == 0 and "cat" in shown.stdout
    assert tercel_program("clasify").returncode == 2
    assert tercel_program("inspect", "nowhere.onnx").returncode == 2
    assert tercel.build_info().version == tercel.__version__
