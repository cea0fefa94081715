"""ONNX Runtime's names, and preprocessing as others write it down."""
from __future__ import annotations

import json

import numpy as np
import pytest
from conftest import PHOTOS, RESNET, data, network

import tercel
import tercel.onnxruntime as ort
from tercel import preprocessing


def test_inference_session(picture):
    session = ort.InferenceSession(str(RESNET), providers=["CPUExecutionProvider"])
    given, = session.get_inputs()
    scores, = session.get_outputs()
    assert (given.type, given.shape[1:]) == ("tensor(float)", [3, 32, 32]) and not isinstance(given.shape[0], int)
    assert session.get_modelmeta().custom_metadata_map["tercel.labels"]
    wanted = tercel.Session(RESNET)(picture)
    for names in (None, [], [scores.name]):
        np.testing.assert_array_equal(session.run(names, {given.name: picture})[0], wanted)
    np.testing.assert_array_equal(session.run(None, {given.name: picture.tolist()})[0], wanted)
    np.testing.assert_array_equal(session.run(None, {given.name: np.asfortranarray(picture)})[0], wanted)
    with pytest.raises(tercel.Error, match="no output 'z'"):
        session.run(["z"], {given.name: picture})
    with pytest.raises(tercel.Error, match="wanted f32, got f64"):
        session.run(None, {given.name: picture.astype(np.float64)})
    with pytest.raises(tercel.Error, match="no input 'z'"):
        session.run(None, {"z": picture})
    assert ort.InferenceSession(RESNET.read_bytes()).get_providers() == ["CPUExecutionProvider"]
    with pytest.warns(UserWarning, match="CUDAExecutionProvider"):
        ort.InferenceSession(str(RESNET), providers=[("CUDAExecutionProvider", {}), "CPUExecutionProvider"])
    with pytest.raises(tercel.Error, match="write \\['" + scores.name):
        session.run(scores.name, {given.name: picture})
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    assert ort.InferenceSession(str(RESNET), options).get_session_options().intra_op_num_threads == 1
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    np.testing.assert_allclose(ort.InferenceSession(str(RESNET), options).run(None, {given.name: picture})[0], wanted, atol=1e-4)


@pytest.mark.parametrize("option, value", [("optimized_model_filepath", "lean.onnx"), ("enable_profiling", True)])
def test_files_that_are_not_written_are_said(option, value):
    options = ort.SessionOptions()
    setattr(options, option, value)
    with pytest.warns(UserWarning, match=option):
        ort.InferenceSession(str(RESNET), options)


def test_names_are_those_of_onnx_runtime():
    theirs = pytest.importorskip("onnxruntime")
    for here, there in ((ort.InferenceSession, theirs.InferenceSession), (ort.ModelMetadata, theirs.ModelMetadata),
                        (ort.GraphOptimizationLevel, theirs.GraphOptimizationLevel), (ort.ExecutionMode, theirs.ExecutionMode),
                        (ort, theirs)):
        made_up = {name for name in dir(here) if not name.startswith("_")} - set(dir(there))
        assert here is ort or not made_up
    assert set(ort.__all__) <= set(dir(theirs))
    assert set(vars(ort.SessionOptions())) <= set(dir(theirs.SessionOptions()))
    assert set(vars(ort.RunOptions())) <= set(dir(theirs.RunOptions()))


def test_equal_to_onnx_runtime_on_real_networks():
    theirs = pytest.importorskip("onnxruntime")
    folder = data("models")
    ran = 0
    for path in sorted(folder.rglob("*.onnx")):
        if path.stat().st_size > 120e6:
            continue
        peer = theirs.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        mine = ort.InferenceSession(str(path))
        feed = {}
        rng = np.random.default_rng(1)
        for given in mine.get_inputs():
            shape = [e if isinstance(e, int) else 1 for e in given.shape]
            assert given.type == "tensor(float)", path
            feed[given.name] = rng.standard_normal(shape, dtype=np.float32)
        assert [(i.name, i.type) for i in peer.get_inputs()] == [(i.name, i.type) for i in mine.get_inputs()]
        for right, got in zip(peer.run(None, feed), mine.run(None, feed)):
            assert right.shape == got.shape and right.dtype == got.dtype, path
            largest = np.abs(right).max()
            exact = "int8" in path.name or "quant" in path.name
            if exact:  # levels may fall on the other side of a half
                assert right.argmax() == got.argmax(), path
            else:
                np.testing.assert_allclose(got, right, atol=1e-4 * largest, err_msg=str(path))
        ran += 1
    assert ran


def pixels_differ(mine, theirs, how):
    """The difference in levels of the picture."""
    stddev = np.asarray(how.stddev, np.float32).reshape(1, 3, 1, 1)
    return np.abs(mine - theirs).max(axis=(0, 2, 3), keepdims=True) * stddev / how.scale


PICTURES = ["cat.jpg", "bird.jpg", "grace_hopper.jpg"]


def check_equal(how, theirs_of):
    Image = pytest.importorskip("PIL.Image")
    for name in PICTURES:
        picture = Image.open(PHOTOS / name).convert("RGB")
        mine = tercel.preprocess(picture, how)
        theirs = theirs_of(picture)
        assert mine.shape == theirs.shape
        assert pixels_differ(mine, theirs, how).max() <= 1.01


@pytest.mark.parametrize("settings", [{"crop_size": 224}, {"crop_size": 224, "resize_size": 232}, {"crop_size": 112, "resize_size": 160,
                                                                                                 "interpolation": "bicubic"}])
def test_torchvision(settings):
    presets = pytest.importorskip("torchvision.transforms._presets")
    from torchvision.transforms import InterpolationMode

    settings = dict(settings)
    if "interpolation" in settings:
        settings["interpolation"] = InterpolationMode(settings["interpolation"])
    transforms = presets.ImageClassification(**settings)
    check_equal(preprocessing.from_torchvision(transforms), lambda picture: transforms(picture).numpy()[None])


def test_torchvision_weights():
    models = pytest.importorskip("torchvision.models")
    how = preprocessing.from_torchvision(models.ResNet18_Weights.IMAGENET1K_V1.transforms())
    assert how == tercel.Preprocessing("imagenet")
    with pytest.raises(tercel.Error, match="object"):
        preprocessing.from_torchvision(object())


TIMM = {"input_size": (3, 224, 224), "interpolation": "bicubic", "crop_pct": 0.9, "mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5)}


@pytest.mark.parametrize("change", [{}, {"crop_pct": 1.0, "crop_mode": "squash", "interpolation": "bilinear"},
                                    {"input_size": (3, 160, 160), "crop_pct": 0.95}, {"crop_pct": 0.875, "mean": (0.48, 0.45, 0.4)}])
def test_timm(change):
    config = {**TIMM, **change}
    how = preprocessing.from_timm(config)
    timm_data = pytest.importorskip("timm.data")
    transform = timm_data.create_transform(**{k: config[k] for k in ("input_size", "interpolation", "mean", "std", "crop_pct")},
                                           crop_mode=config.get("crop_mode"), is_training=False)
    check_equal(how, lambda picture: transform(picture).numpy()[None])


def test_timm_by_numbers():
    assert preprocessing.from_timm(TIMM) == tercel.Preprocessing("vit")
    for change, words in (({"crop_mode": "border"}, "border"), ({"crop_mode": "squash"}, "squash"), ({"interpolation": "lanczos"}, "lanczos"),
                          ({"input_size": (3, 224, 192)}, "square")):
        with pytest.raises(tercel.Error, match=words):
            preprocessing.from_timm({**TIMM, **change})


HUGGING_FACE = [
    ("ViTImageProcessor", {"do_resize": True, "size": {"height": 224, "width": 224}, "resample": 2, "do_rescale": True,
                           "rescale_factor": 1 / 255, "do_normalize": True, "image_mean": [0.5] * 3, "image_std": [0.5] * 3}),
    ("ConvNextImageProcessor", {"do_resize": True, "size": {"shortest_edge": 224}, "crop_pct": 0.875, "resample": 3, "do_rescale": True,
                                "rescale_factor": 1 / 255, "do_normalize": True, "image_mean": [0.485, 0.456, 0.406],
                                "image_std": [0.229, 0.224, 0.225]}),
    ("CLIPImageProcessor", {"do_resize": True, "size": {"shortest_edge": 224}, "resample": 3, "do_center_crop": True,
                            "crop_size": {"height": 224, "width": 224}, "do_rescale": True, "rescale_factor": 1 / 255,
                            "do_normalize": True, "image_mean": [0.48, 0.46, 0.41], "image_std": [0.27, 0.26, 0.28]}),
]


@pytest.mark.parametrize("kind,config", HUGGING_FACE)
def test_hugging_face(kind, config, tmp_path):
    transformers = pytest.importorskip("transformers")
    processor_class = getattr(transformers, kind + "Pil", None) or getattr(transformers, kind)
    processor = processor_class(**config)
    (tmp_path / "preprocessor_config.json").write_text(json.dumps({**config, "image_processor_type": kind}))
    how = preprocessing.from_huggingface(tmp_path)
    check_equal(how, lambda picture: np.asarray(processor(picture, return_tensors="np")["pixel_values"]))


def test_hugging_face_by_numbers(tmp_path):
    kind, config = HUGGING_FACE[0]
    path = tmp_path / "preprocessor_config.json"
    path.write_text(json.dumps({**config, "image_processor_type": kind}))
    how = preprocessing.from_huggingface(path)
    assert how == preprocessing.from_huggingface(tmp_path) == tercel.Preprocessing(
        width=224, height=224, fit="stretch", mean=[0.5] * 3, stddev=[0.5] * 3)
    clip = preprocessing.from_huggingface({**HUGGING_FACE[2][1]})
    assert (clip.fit, clip.resize, clip.interpolation) == ("shorter_side", 224, "bicubic")
    convnext = preprocessing.from_huggingface({**HUGGING_FACE[1][1], "image_processor_type": "ConvNextImageProcessor"})
    assert convnext.resize == 256
    for change, words in (({"do_pad": True}, "do_pad"), ({"resample": 1}, "resample"), ({"do_resize": False}, "resize"),
                          ({"size": {"longest_edge": 5}}, "longest_edge")):
        with pytest.raises(tercel.Error, match=words):
            preprocessing.from_huggingface({**config, **change})
    path.write_text("{")
    with pytest.raises(tercel.Error, match="no JSON"):
        preprocessing.from_huggingface(path)
    with pytest.raises(tercel.Error, match="nowhere"):
        preprocessing.from_huggingface("nowhere")


def test_backend_of_one_node():
    onnx = pytest.importorskip("onnx")
    import tercel.backend as backend

    x = np.array([[-1, 2]], np.float32)
    node = onnx.helper.make_node("Relu", ["x"], ["y"])
    np.testing.assert_array_equal(backend.run_node(node, [x])[0], np.maximum(x, 0))
    np.testing.assert_array_equal(backend.run_model(network(shape=(1, 2)), {"x0": x}).y, np.maximum(x, 0))
    assert backend.supports_device("CPU") and not backend.supports_device("CUDA")
    with pytest.raises(tercel.Error, match="CUDA"):
        backend.prepare(network(), "CUDA")
