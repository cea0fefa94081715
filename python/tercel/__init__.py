"""Tercel runs trained vision networks on CPUs and makes their files small.

    import tercel
    session = tercel.Session(tercel.optimize(tercel.load("model.onnx")))
    print(session.classify("cat.jpg")[0])

The words are those of the program and of C++. `tercel.onnxruntime` has ONNX Runtime's names, `tercel.backend` is ONNX's Python
backend, `tercel.preprocessing` reads the settings of timm, torchvision and Hugging Face, and `tercel.torch` is the training
side, which needs PyTorch.
"""
from __future__ import annotations

import os as _os

from ._error import Error
from ._html import Front
from ._tercel import (BuildInfo, Class, Compressed, CompressPoint, CompressReport, DropPromise, EngineInfo, HopfieldReport,
                      HopfieldResult, Image, LayerReport, LostInput, Model, NodeInfo, PassReport, PlanReport, Port, Preprocessing,
                      QuantizedLayer, QuantizeReport, QuantizeResult, Session, StaticNormReport, StaticNormResult, StaticNormSite,
                      StaticNormTrial, StepReport, add_hopfield_classes, available_engines, build_info, compress, compression_front,
                      fit_hopfield, in_standard_operators, load, optimize, preprocess, quantize, remove_hopfield_class, static_norm)
from ._tercel import version as _version

__version__ = _version()

__all__ = [
    "BuildInfo", "Class", "CompressPoint", "CompressReport", "Compressed", "DropPromise", "EngineInfo", "Error", "Front",
    "HopfieldReport", "HopfieldResult", "Image", "LayerReport", "LostInput", "Model", "NodeInfo", "PassReport", "PlanReport", "Port",
    "Preprocessing", "QuantizeReport", "QuantizeResult", "QuantizedLayer", "Session", "StaticNormReport", "StaticNormResult",
    "StaticNormSite", "StaticNormTrial", "StepReport", "add_hopfield_classes", "available_engines", "build_info", "compress",
    "compression_front", "decompress", "fit_hopfield", "in_standard_operators", "load", "optimize", "preprocess", "quantize",
    "remove_hopfield_class", "static_norm",
]


def decompress(source: str | _os.PathLike[str] | bytes | Model, output: str | _os.PathLike[str]) -> Model:
    """Writes a .tercel file as ONNX for other runtimes: as large as before, with the weights of the small one. Gives the model.

    source: a path, the bytes of a file, or a model. Raises Error for what is no network.
    """
    model = source if isinstance(source, Model) else load(source)
    model.save_onnx(output)
    return model


# In pickles, documentation and errors they stand under the name by which people know them.
for _name in __all__:
    if getattr(globals()[_name], "__module__", "").endswith("_tercel") and isinstance(globals()[_name], type):
        globals()[_name].__module__ = "tercel"
del _name
