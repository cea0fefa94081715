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

try:
    from ._tercel import (BuildInfo, Class, Compressed, CompressPoint, CompressReport, DropPromise, EngineInfo, HopfieldReport,
                          HopfieldResult, Image, LayerReport, LostInput, Model, NodeInfo, PassReport, PlanReport, Port, Preprocessing,
                          QuantizedLayer, QuantizeReport, QuantizeResult, Session, StaticNormReport, StaticNormResult, StaticNormSite,
                          StaticNormTrial, StepReport, add_hopfield_classes, available_engines, build_info, compress, compression_front,
                          fit_hopfield, in_standard_operators, load, optimize, preprocess, quantize, remove_hopfield_class, static_norm)
    from ._tercel import version as _version

    __version__ = _version()
except ModuleNotFoundError as missing:
    if missing.name != __name__ + "._tercel":
        raise
    # A folder of sources, not installed: the training side, tercel.torch, needs no library.

    def _needs_library(name: str) -> object:
        if name.startswith("_"):
            raise AttributeError(name)
        raise ImportError(f"tercel.{name} needs the library, which is not installed: pip install . in the folder of the sources")

    globals()["__getattr__"] = _needs_library  # not known to type checkers, which would then take any name
else:

    def decompress(source: str | _os.PathLike[str] | bytes | Model, output: str | _os.PathLike[str]) -> Model:
        """Writes a .tercel file as ONNX for other runtimes: as large as before, with the weights of the small one. Gives the model.

        source: a path, the bytes of a file, or a model. Raises Error for what is no network.
        """
        model = source if isinstance(source, Model) else load(source)
        model.save_onnx(output)
        return model


__all__ = [
    "BuildInfo", "Class", "CompressPoint", "CompressReport", "Compressed", "DropPromise", "EngineInfo", "Error", "Front",
    "HopfieldReport", "HopfieldResult", "Image", "LayerReport", "LostInput", "Model", "NodeInfo", "PassReport", "PlanReport", "Port",
    "Preprocessing", "QuantizeReport", "QuantizeResult", "QuantizedLayer", "Session", "StaticNormReport", "StaticNormResult",
    "StaticNormSite", "StaticNormTrial", "StepReport", "add_hopfield_classes", "available_engines", "build_info", "compress",
    "compression_front", "decompress", "fit_hopfield", "in_standard_operators", "load", "optimize", "preprocess", "quantize",
    "remove_hopfield_class", "static_norm",
]


# In pickles, documentation and errors they stand under the name by which people know them.
for _name in __all__:
    if isinstance(globals().get(_name), type) and globals()[_name].__module__.endswith("_tercel"):
        globals()[_name].__module__ = "tercel"
del _name
