"""Which linear layers read a module's output and nothing else does: where a fixed map may go."""
import dis
import inspect
import operator
from collections import Counter
from typing import NamedTuple, Optional

import torch
from torch import fx, nn

QKV = ("query", "key", "value")


class Reader(NamedTuple):
    """A linear layer: an nn.Linear (roles empty), or those of an nn.MultiheadAttention's projections that roles names."""

    name: str
    roles: frozenset = frozenset()


class Neighbours(NamedTuple):
    """readers: all that read the output, or None where something else reads it too. writer: the name of the nn.Linear whose
    output is the module's input and nobody else's, or None."""

    readers: Optional[list]
    writer: Optional[str]


class _Proxy(fx.Proxy):
    """Unpacks in `n, c, h, w = x.shape` under every Python; fx.Proxy of PyTorch 1.13 finds the wrong instruction from 3.11 on."""

    def __iter__(self):
        frame = inspect.currentframe().f_back
        for instruction in dis.get_instructions(frame.f_code):
            if instruction.offset == frame.f_lasti and instruction.opname == "UNPACK_SEQUENCE":
                return (self[index] for index in range(instruction.argval))
        return self.tracer.iter(self)

    def __getattr__(self, name):
        if name == "shape":
            return self.tracer.create_proxy("call_function", getattr, (self, name), {})
        return super().__getattr__(name)


class _Tracer(fx.Tracer):
    def __init__(self, leaves):
        super().__init__()
        self.leaves = leaves

    def proxy(self, node):
        return _Proxy(node, self)

    def is_leaf_module(self, module, name):
        return name in self.leaves or super().is_leaf_module(module, name)


def is_linear(module: nn.Module) -> bool:
    return isinstance(module, nn.Linear) and type(module).forward is nn.Linear.forward


def _keeps_channels(node: fx.Node, modules: dict) -> bool:
    """Whether a node treats every channel alike and in a way an affine map commutes with: a choice of, or a mean over, tokens."""
    if node.op == "call_module":
        return isinstance(modules[node.target], (nn.Dropout, nn.Identity))
    if node.op == "call_function" and node.target is operator.getitem:
        index = node.args[1] if isinstance(node.args[1], tuple) else (node.args[1],)
        return len(index) <= 2 and all(isinstance(part, (int, slice)) for part in index)
    if (node.op, node.target) in (("call_method", "mean"), ("call_function", torch.mean)):
        axis = node.args[1] if len(node.args) > 1 else node.kwargs.get("dim")
        return axis in (1, -2, (1,), [1])
    return False


def _readers(node: fx.Node, modules: dict) -> Optional[list]:
    found = []
    for user in node.users:
        module = modules.get(user.target) if user.op == "call_module" else None
        if module is not None and is_linear(module):
            found.append(Reader(user.target))
        elif type(module) is nn.MultiheadAttention:
            given = {**dict(zip(QKV, user.args)), **user.kwargs}
            roles = frozenset(role for role in QKV if given.get(role) is node)
            if any(value is node for name, value in given.items() if name not in QKV) or node in user.args[3:]:
                return None
            found.append(Reader(user.target, roles))
        elif _keeps_channels(user, modules):
            beyond = _readers(user, modules)
            if beyond is None:
                return None
            found += beyond
        else:
            return None
    return found


def _writer(node: fx.Node, modules: dict) -> Optional[str]:
    source = node.all_input_nodes[0]
    while source.op == "call_module" and len(source.users) == 1:
        if is_linear(modules[source.target]):
            return source.target
        if not isinstance(modules[source.target], (nn.Dropout, nn.Identity)):
            break
        source = source.all_input_nodes[0]
    return None


def _fused_layers(model: nn.Module, names: set) -> dict:
    """PyTorch's own encoder layer, into which a trace does not look: pre-norm, its norms feed its attention and its first linear
    layer. Post-norm, they feed the residual sums as well."""
    found = {}
    for name, module in model.named_modules():
        if type(module) is nn.TransformerEncoderLayer:
            inner = (name + "." if name else "")
            readers = {"norm1": Reader(inner + "self_attn", frozenset(QKV)), "norm2": Reader(inner + "linear1")}
            for norm, reader in readers.items():
                if inner + norm in names:
                    found[inner + norm] = Neighbours([reader] if module.norm_first else None, None)
    return found


def neighbours_of(model: nn.Module, names: set) -> dict:
    """name -> Neighbours for each of the modules named, from a symbolic trace (torch.fx) of the model in the mode it is in.

    Raises ValueError where the model cannot be traced: where its Python code decides by the values or shapes of tensors.
    """
    found = _fused_layers(model, names)
    if names <= found.keys():
        return found
    try:
        graph = _Tracer(names).trace(model)
    except Exception as error:  # whatever the model's own code raises when it meets a stand-in for a tensor
        raise ValueError(f"torch.fx cannot follow the model ({error}); say who reads each norm: readers={{'norm': ['linear']}}"
                         ) from error
    modules = dict(model.named_modules())
    calls = Counter(node.target for node in graph.nodes if node.op == "call_module")
    touched = {id(operator.attrgetter(node.target)(model)) for node in graph.nodes if node.op == "get_attr"}

    def alone(name):
        return calls[name] == 1 and not touched & {id(parameter) for parameter in modules[name].parameters()}

    for node in graph.nodes:
        if node.op == "call_module" and node.target in names:
            readers, writer = _readers(node, modules), _writer(node, modules)
            once = calls[node.target] == 1
            if not once or readers is None or not all(alone(reader.name) for reader in readers):
                readers = None
            found[node.target] = Neighbours(readers, writer if once and writer and alone(writer) else None)
    return found
