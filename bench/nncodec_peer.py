"""NNCodec (Fraunhofer HHI's coder of ISO/IEC 15938-17) as a peer: arrays to a stream and back, without training.

Its package imports libraries for training, plotting and federation at the top. None of them is used to code weights, so those that are not
installed are replaced by empty modules instead of installing gigabytes.
"""
import importlib.abc
import importlib.machinery
import pathlib
import sys
import tempfile
import time
from unittest.mock import MagicMock

import numpy as np

UNUSED = {"cv2", "datasets", "flwr", "h5py", "librosa", "matplotlib", "pandas", "ptflops", "pycocotools", "requests", "skimage", "sklearn",
          "soundfile", "tensorboard", "tensorflow", "timm", "torchaudio", "torchmetrics", "tqdm", "transformers", "wandb"}


class _Absent(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Last in sys.meta_path: asked only for what nobody else found."""

    def find_spec(self, name, path, target=None):
        return importlib.machinery.ModuleSpec(name, self, is_package=True) if name.split(".")[0] in UNUSED else None

    def create_module(self, spec):
        module = MagicMock(name=spec.name)
        module.__path__, module.__spec__, module.__name__ = [], spec, spec.name
        return module

    def exec_module(self, module):
        pass


sys.meta_path.append(_Absent())
from nncodec import nnc  # noqa: E402

# What it offers without training, one dict each. Dependent quantization and parameter optimization are always on, since they always gain.
# `rows` brings every row (output channel) to unit power and sends the factors as a vector, as its local scaling and its folding of
# normalizations do. Vectors get steps 2^(offset/4) finer than matrices: the default, one fixed very fine step, costs bytes that change
# no answer.
VARIANTS = {
    "plain": {"opt_qp": False, "rows": False, "offset": 16},
    "opt_qp": {"opt_qp": True, "rows": False, "offset": 16},
    "rows": {"opt_qp": False, "rows": True, "offset": 24},
}
_FACTORS = ".factors"


def _row_factors(array: np.ndarray) -> np.ndarray:
    power = np.sqrt(np.mean(np.square(array, dtype=np.float64), axis=tuple(range(1, array.ndim)), keepdims=True))
    return np.where(power > 0, power, 1).astype(np.float32)


class Coded:
    """A stream, what it decodes to, and processor seconds of both ways (one thread)."""

    def __init__(self, arrays: dict, qp: int, variant: str):
        options = VARIANTS[variant]
        factors = {name: _row_factors(a) for name, a in arrays.items() if options["rows"] and a.ndim > 1}
        sent = {name: a / factors[name] if name in factors else a for name, a in arrays.items()}
        sent.update({name + _FACTORS: f.ravel() for name, f in factors.items()})
        start = time.process_time()
        with tempfile.TemporaryDirectory() as folder:
            self.stream = nnc.compress(sent, bitstream_path=str(pathlib.Path(folder) / "weights.nnc"), qp=qp,
                                       nonweight_qp=qp - options["offset"], use_dq=True, opt_qp=options["opt_qp"], param_opt=True,
                                       row_skipping=True, return_bitstream=True, verbose=False)
        self.encode_seconds = time.process_time() - start
        start = time.process_time()
        decoded = nnc.decompress(self.stream)
        self.decode_seconds = time.process_time() - start
        self.arrays = {}
        for name, array in arrays.items():
            value = np.asarray(decoded[name], dtype=np.float32).reshape(array.shape)
            if name in factors:
                value = value * np.asarray(decoded[name + _FACTORS], dtype=np.float32).reshape(factors[name].shape)
            self.arrays[name] = value
