"""The networks and pictures on which weight codecs are compared."""
import dataclasses
import pathlib
import tarfile

import numpy as np
import onnx
import onnxruntime
from onnx import numpy_helper
from PIL import Image

SMALLEST = 16  # elements; smaller constants are sizes and bounds, and stay out of every codec


@dataclasses.dataclass(frozen=True)
class Input:
    """How a picture becomes an input; `flags` say the same to tercel."""
    size: int
    resize: int  # the shorter side before the centre crop; 0: stretched to `size`
    filter: Image.Resampling
    mean: tuple
    stddev: tuple  # of levels 0..255
    flags: tuple = ()
    channels_last: bool = False

    def load(self, path: pathlib.Path) -> np.ndarray:
        picture = Image.open(path).convert("RGB")
        if self.resize:
            short = min(picture.size)
            picture = picture.resize(tuple(int(self.resize * side / short) for side in picture.size), self.filter)
            left, top = (int(round((side - self.size) / 2)) for side in picture.size)
            picture = picture.crop((left, top, left + self.size, top + self.size))
        else:
            picture = picture.resize((self.size, self.size), self.filter)
        levels = (np.asarray(picture, np.float32) - np.float32(self.mean)) / np.float32(self.stddev)
        return np.ascontiguousarray(levels if self.channels_last else levels.transpose(2, 0, 1))[None]


_IMAGENET = tuple(255 * m for m in (0.485, 0.456, 0.406)), tuple(255 * s for s in (0.229, 0.224, 0.225))
_BILINEAR, _BICUBIC = Image.Resampling.BILINEAR, Image.Resampling.BICUBIC


@dataclasses.dataclass(frozen=True)
class Net:
    name: str
    model: str  # below TERCEL_DATA, or among the fetched
    pictures: str  # imagenet500 or cifar10
    input: Input
    ratios: tuple  # of Tercel's files that are judged
    calibration: int = 128
    judged: int = 250
    note: str = ""


_CIFAR = Input(32, 0, _BILINEAR, *_IMAGENET, flags=("--preprocess", "cifar"))
NETS = {net.name: net for net in (
    Net("resnet20", "models/resnet20_cifar10/model.onnx", "cifar10", _CIFAR, (5, 6, 7.5, 9, 10.5), judged=1000),
    Net("squeezenet", "models/squeezenet1_1/model.onnx", "imagenet500",
        Input(224, 256, _BILINEAR, *_IMAGENET, flags=("--preprocess", "imagenet")), (4.6, 5.6, 6.8, 8.2, 9.6)),
    Net("vit_tiny", "models/vit_tiny_patch16_224/model.onnx", "imagenet500",
        Input(224, 248, _BICUBIC, (127.5,) * 3, (127.5,) * 3, flags=("--preprocess", "vit")), (4.5, 5.6, 7, 8.6)),
    Net("resnet56", "models/resnet56_cifar10/model.onnx", "cifar10", _CIFAR, (5, 6.5, 8, 10, 12), judged=1000),
    Net("efficientnet_lite0", "efficientnet_lite0.onnx", "imagenet500", Input(224, 256, _BICUBIC, (127,) * 3, (128,) * 3),
        (4.2, 5, 6, 7.4)),
    Net("vgg16", "vgg16.onnx", "imagenet500", Input(240, 0, _BICUBIC, (0,) * 3, (255,) * 3, channels_last=True), (8, 10, 16, 24, 30),
        calibration=32, judged=100, note="four classes of brain scans, judged on photographs: agreement only"),
    Net("vgg16_cifar", "vgg16_cifar10.onnx", "cifar10", _CIFAR, (10, 17, 25, 35, 50), judged=5000,
        note="VGG-16 for CIFAR-10, trained here"),
)}


class Pictures:
    """Even pictures for calibration, odd ones to judge on; the latter never reach a codec."""

    def __init__(self, data: pathlib.Path, folder: pathlib.Path, net: Net):
        self.calibration = folder / net.pictures
        if net.pictures == "cifar10":
            unpacked = folder / "cifar10_all"
            if not unpacked.exists():
                with tarfile.open(data / "cifar10/test.tar.gz") as archive:
                    archive.extractall(unpacked)
            files = sorted(unpacked.glob("test/*/*"))
            classes = {name: k for k, name in enumerate(sorted({f.parent.name for f in files}))}
            labels = [classes[f.parent.name] for f in files]
        else:
            lines = [line.split("\t") for line in (data / net.pictures / "labels.tsv").read_text().splitlines()]
            files = [data / net.pictures / line[0] for line in lines]
            labels = [int(line[1]) for line in lines]
        if not self.calibration.exists():
            # Without labels and subfolders: errors are weighed by what the network itself says.
            self.calibration.mkdir(parents=True)
            for k, file in enumerate(files[::2]):
                (self.calibration / f"{k:05d}{file.suffix}").symlink_to(file.resolve())
        judged = list(zip(files, labels))[1::2]
        stride = max(1, len(judged) // net.judged)
        judged = judged[::stride][:net.judged]
        self.inputs = [net.input.load(file) for file, _ in judged]
        self.labels = np.array([label for _, label in judged])


def log_probabilities(answers: np.ndarray) -> np.ndarray:
    answers = answers.astype(np.float64)
    if np.all(answers >= 0) and np.allclose(answers.sum(1), 1, atol=1e-4):
        return np.log(np.maximum(answers, 1e-12))
    answers = answers - answers.max(1, keepdims=True)
    return answers - np.log(np.exp(answers).sum(1, keepdims=True))


class Judge:
    """Answers of ONNX Runtime, one thread, for every codec's weights; against the network as it was."""

    def __init__(self, model: onnx.ModelProto, pictures: Pictures):
        self.pictures = pictures
        self.before = self._answers(model)

    def _answers(self, model: onnx.ModelProto) -> np.ndarray:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        name = session.get_inputs()[0].name
        return log_probabilities(np.concatenate([session.run(None, {name: x})[0] for x in self.pictures.inputs]))

    def point(self, model: onnx.ModelProto, size: int) -> dict:
        after, best = self._answers(model), self.before.argmax(1)
        top1 = lambda answers: float(np.mean(answers.argmax(1) == self.pictures.labels))  # noqa: E731
        return {"bytes": size, "pictures": len(best), "agreement": float(np.mean(after.argmax(1) == best)),
                "kl": float(np.mean(np.sum(np.exp(self.before) * (self.before - after), 1))), "top1": top1(after),
                "top1_before": top1(self.before)}


class Weights:
    """A model's floating constants as arrays whose first axis is the output, and a model with others in their place."""

    def __init__(self, model: onnx.ModelProto):
        self.model = model
        turned = {node.input[1] for node in model.graph.node if node.op_type == "MatMul"}
        self.arrays, self.turned = {}, set()
        for tensor in model.graph.initializer:
            array = numpy_helper.to_array(tensor)
            if array.dtype != np.float32 or array.size < SMALLEST:
                continue
            if tensor.name in turned and array.ndim == 2:
                self.turned.add(tensor.name)
                array = array.T
            squeezed = array.reshape(-1) if max(array.shape) == array.size else array  # a vector is one, whatever its rank
            self.arrays[tensor.name] = np.ascontiguousarray(squeezed)
        self.count = sum(a.size for a in self.arrays.values())

    def model_with(self, arrays: dict) -> onnx.ModelProto:
        changed = onnx.ModelProto()
        changed.CopyFrom(self.model)
        for tensor in changed.graph.initializer:
            if tensor.name in arrays:
                array = arrays[tensor.name].T if tensor.name in self.turned else arrays[tensor.name].reshape(tuple(tensor.dims))
                tensor.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(array), tensor.name))
        return changed
