"""ONNX Runtime's names over Tercel: a script changes its import and nothing else.

    import tercel.onnxruntime as ort
    session = ort.InferenceSession("model.onnx")
    scores, = session.run(None, {session.get_inputs()[0].name: x})

Inputs may be lists, as there; types must fit, as there. What does nothing here (providers, most session options) is taken and
ignored; InferenceSession warns where a provider other than the CPU's or a file that is not written was asked for. Errors are
tercel.Error.
"""
from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

from . import _tercel
from ._error import Error

__all__ = ["ExecutionMode", "GraphOptimizationLevel", "InferenceSession", "ModelMetadata", "NodeArg", "RunOptions", "SessionOptions",
           "get_available_providers", "get_device", "set_default_logger_severity"]

_ONNX_TYPES = {"f32": "float", "f64": "double", "f16": "float16", "bf16": "bfloat16", "i8": "int8", "u8": "uint8", "i16": "int16",
               "u16": "uint16", "i32": "int32", "u32": "uint32", "i64": "int64", "u64": "uint64", "bool": "bool"}


def get_available_providers() -> list[str]:
    return ["CPUExecutionProvider"]


def get_device() -> str:
    return "CPU"


def set_default_logger_severity(severity: int) -> None:
    """Ignored: Tercel logs nothing."""


class ExecutionMode:
    """Nodes run one after the other in either."""

    ORT_SEQUENTIAL = 0
    ORT_PARALLEL = 1


class RunOptions:
    """Ignored."""

    def __init__(self) -> None:
        self.log_severity_level = 2
        self.log_verbosity_level = 0
        self.logid = ""


class GraphOptimizationLevel:
    ORT_DISABLE_ALL = 0
    ORT_ENABLE_BASIC = 1
    ORT_ENABLE_EXTENDED = 2
    ORT_ENABLE_ALL = 99


class SessionOptions:
    """Of these, Tercel heeds intra_op_num_threads and graph_optimization_level (ORT_DISABLE_ALL: no passes)."""

    def __init__(self) -> None:
        self.intra_op_num_threads = 0
        self.inter_op_num_threads = 0
        self.graph_optimization_level: Any = GraphOptimizationLevel.ORT_ENABLE_ALL
        self.execution_mode: Any = ExecutionMode.ORT_SEQUENTIAL
        self.log_severity_level = 2
        self.log_verbosity_level = 0
        self.enable_profiling = False
        self.enable_mem_pattern = True
        self.enable_cpu_mem_arena = True
        self.optimized_model_filepath = ""

    def add_session_config_entry(self, key: str, value: str) -> None:
        """Ignored."""


class NodeArg:
    """An input or output: name, type 'tensor(float)', shape of numbers, symbols and None."""

    def __init__(self, port: _tercel.Port) -> None:
        names = port.axis_names
        self.name: str = port.name
        self.type: str = f"tensor({_ONNX_TYPES.get(port.dtype, port.dtype)})"
        self.shape: list[int | str | None] = [e if e >= 0 else (names[i] if i < len(names) and names[i] else None)
                                              for i, e in enumerate(port.shape)]

    def __repr__(self) -> str:
        return f"NodeArg(name='{self.name}', type='{self.type}', shape={self.shape})"


class ModelMetadata:
    def __init__(self, model: _tercel.Model) -> None:
        self.custom_metadata_map: dict[str, str] = dict(model.metadata)
        self.graph_name: str = model.name
        self.producer_name, self.description, self.domain, self.version = "", "", "", 0


class InferenceSession:
    def __init__(self, path_or_bytes: str | os.PathLike[str] | bytes, sess_options: SessionOptions | None = None,
                 providers: Sequence[Any] | None = None, provider_options: Sequence[Any] | None = None, **ignored: Any) -> None:
        options = sess_options or SessionOptions()
        others = [name if isinstance(name, str) else name[0] for name in providers or []]
        others = [name for name in others if name != "CPUExecutionProvider"]
        if others:
            warnings.warn(f"Tercel runs on the CPU; ignored: {', '.join(others)}", stacklevel=2)
        if options.optimized_model_filepath:
            warnings.warn("optimized_model_filepath is ignored: tercel.optimize(tercel.load(path)).save_onnx(other) writes that file",
                          stacklevel=2)
        if options.enable_profiling:
            warnings.warn("enable_profiling is ignored: tercel.Session(path).profile() gives the time of each step", stacklevel=2)
        self._options = options
        level = options.graph_optimization_level
        self._session = _tercel.Session(_tercel.load(path_or_bytes), threads=options.intra_op_num_threads,
                                        optimize=getattr(level, "value", level) != GraphOptimizationLevel.ORT_DISABLE_ALL)
        self._inputs = [NodeArg(port) for port in self._session.model.inputs]
        self._outputs = [NodeArg(port) for port in self._session.model.outputs]
        self._dtypes = {port.name: port.numpy_dtype for port in self._session.model.inputs}

    def get_inputs(self) -> list[NodeArg]:
        return list(self._inputs)

    def get_outputs(self) -> list[NodeArg]:
        return list(self._outputs)

    def get_overridable_initializers(self) -> list[NodeArg]:
        return []

    def get_modelmeta(self) -> ModelMetadata:
        return ModelMetadata(self._session.model)

    def get_providers(self) -> list[str]:
        return get_available_providers()

    def get_session_options(self) -> SessionOptions:
        return self._options

    def run(self, output_names: Sequence[str] | None, input_feed: Mapping[str, Any], run_options: Any = None) -> list[Any]:
        """The outputs of these names, or all (None), as arrays."""
        names = [port.name for port in self._outputs]
        if isinstance(output_names, str):
            raise Error(f"output_names: wanted a list of names or None, got a str; write ['{output_names}']")
        for name in output_names or []:
            if name not in names:
                raise Error(f"the model has no output '{name}'; there is {', '.join(names)}")
        outputs = self._session.run({name: self._array(name, value) for name, value in input_feed.items()})
        if not output_names:
            return list(outputs)
        return [outputs[names.index(name)] for name in output_names]

    def run_with_ort_values(self, *arguments: Any) -> None:
        raise Error("OrtValue is not here: give arrays to run()", "unsupported")

    def io_binding(self) -> None:
        raise Error("io_binding is not here: tercel.Session.run(inputs, out=arrays) writes into the caller's memory", "unsupported")

    def _array(self, name: str, value: Any) -> Any:
        """Lists and arrays in another order than C's are taken, as ONNX Runtime takes them, at the price of a copy."""
        import numpy

        if isinstance(value, (list, tuple, int, float, bool)) or numpy.isscalar(value):
            dtype = self._dtypes.get(name, "numpy.float32").split(".")[-1]
            return numpy.asarray(value, dtype=dtype)
        if isinstance(value, numpy.ndarray) and not value.flags.c_contiguous and value.dtype != object:
            return numpy.ascontiguousarray(value)
        return value
