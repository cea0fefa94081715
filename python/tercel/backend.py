"""ONNX's Python backend over Tercel (onnx.backend.base). Needs the package onnx.

    import tercel.backend
    scores, = tercel.backend.prepare(onnx.load("model.onnx")).run([x])
"""
from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy
import onnx
from onnx.backend.base import Backend, BackendRep, Device, DeviceType, namedtupledict

from . import _tercel
from ._error import Error

__all__ = ["TercelBackend", "TercelRep", "prepare", "run_model", "run_node", "supports_device"]


class TercelRep(BackendRep):  # type: ignore[misc, unused-ignore]
    def __init__(self, session: _tercel.Session) -> None:
        self.session = session
        self._inputs = session.model.inputs
        self._names = [port.name for port in session.model.outputs]

    def run(self, inputs: Any, **options: Any) -> tuple[Any, ...]:
        """inputs: one array per input in order, or a dict by name. Gives the outputs, by position and by name."""
        if isinstance(inputs, Mapping):
            feed = {name: self._plain(value) for name, value in inputs.items()}
        else:
            if len(inputs) > len(self._inputs):
                raise Error(f"the model has {len(self._inputs)} inputs, {len(inputs)} arrays were given")
            feed = {port.name: self._plain(value) for port, value in zip(self._inputs, inputs)}
        outputs = self.session.run(feed)
        return namedtupledict("Outputs", self._names)(*outputs)  # type: ignore[no-any-return, no-untyped-call, unused-ignore]

    @staticmethod
    def _plain(value: Any) -> Any:
        array = numpy.asarray(value)
        return array if array.flags.c_contiguous else numpy.ascontiguousarray(array)


class TercelBackend(Backend):  # type: ignore[misc, unused-ignore]
    @classmethod
    def is_compatible(cls, model: onnx.ModelProto, device: str = "CPU", **options: Any) -> bool:
        """Whether Tercel reads the model."""
        try:
            _tercel.load(model)
        except Error:
            return False
        return cls.supports_device(device)

    @classmethod
    def prepare(cls, model: onnx.ModelProto, device: str = "CPU", **options: Any) -> TercelRep:
        """Raises tercel.Error naming the node that Tercel refuses. options: those of tercel.Session."""
        if not cls.supports_device(device):
            raise Error(f"device '{device}': Tercel runs on the CPU", "unsupported")
        return TercelRep(_tercel.Session(_tercel.load(model), **options))

    @classmethod
    def run_model(cls, model: onnx.ModelProto, inputs: Any, device: str = "CPU", **options: Any) -> tuple[Any, ...]:
        return cls.prepare(model, device, **options).run(inputs)

    @classmethod
    def run_node(cls, node: onnx.NodeProto, inputs: Any, device: str = "CPU", outputs_info: Any = None, **options: Any) -> tuple[Any, ...]:
        """outputs_info: a (dtype, shape) per output; without it the outputs' types are those that ONNX infers."""
        given = [numpy.asarray(value) for value in inputs]
        names = [name for name in node.input if name]
        infos = [onnx.helper.make_tensor_value_info(name, onnx.helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)
                 for name, array in zip(names, given)]
        if outputs_info is not None:
            results = [onnx.helper.make_tensor_value_info(name, onnx.helper.np_dtype_to_tensor_dtype(numpy.dtype(dtype)), shape)
                       for name, (dtype, shape) in zip(node.output, outputs_info)]
        else:
            results = [onnx.ValueInfoProto(name=name) for name in node.output if name]
        opset = options.pop("opset_version", None)
        graph = onnx.helper.make_graph([node], "node", infos, results)
        imports = [onnx.helper.make_opsetid("", opset or min(22, onnx.defs.onnx_opset_version()))]
        model = onnx.helper.make_model(graph, opset_imports=imports)
        if outputs_info is None:
            model = onnx.shape_inference.infer_shapes(model)
        return cls.run_model(model, given, device, **options)

    @classmethod
    def supports_device(cls, device: str) -> bool:
        return bool(Device(device).type == DeviceType.CPU)


prepare = TercelBackend.prepare
run_model = TercelBackend.run_model
run_node = TercelBackend.run_node
supports_device = TercelBackend.supports_device
is_compatible = TercelBackend.is_compatible
