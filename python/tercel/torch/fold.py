"""A trained network without its normalisations: every fixed map is merged into a linear layer beside it."""
import copy
import warnings
from collections import Counter
from typing import NamedTuple, Optional

import torch
from torch import Tensor, nn

from .dataflow import QKV, Neighbours, Reader, is_linear, neighbours_of
from .norm import MovingLayerNorm, moving_norms, replace_modules


class Affine(nn.Module):
    """y = (centred ? x - mean over D : x) * scale + shift: what remains of a fixed map that no linear layer could take whole.

    scale: [D], [N, 1] (a constant for each token) or [N, D]; shift: [D], [N, D] or None.
    """

    def __init__(self, scale: Tensor, shift: Optional[Tensor] = None, centred: bool = False):
        super().__init__()
        self.register_buffer("scale", scale)
        self.register_buffer("shift", shift)
        self.centred = centred

    def forward(self, x: Tensor) -> Tensor:
        if self.centred:
            x = x - x.mean(-1, keepdim=True)
        y = x * self.scale
        return y if self.shift is None else y + self.shift


class _Map(NamedTuple):
    """y = centre(row * x) * a + c in double: row [N, 1] or None; a, c [D], or [N, D] where no linear layer can hold them."""

    row: Optional[Tensor]
    a: Tensor
    c: Tensor
    centred: bool

    @property
    def merges(self) -> bool:
        return self.a.dim() == 1


def _map_of(norm: MovingLayerNorm) -> _Map:
    moments = norm.moments
    fixed = moments.map(tuple(kept.double() for kept in moments.kept()), norm.eps)
    width = norm.normalized_shape[0]
    like = {"dtype": torch.double, "device": fixed.scale.device}
    gamma = torch.ones(width, **like) if norm.weight is None else norm.weight.double()
    beta = torch.zeros(width, **like) if norm.bias is None else norm.bias.double()
    scale = moments.per_token(fixed.scale)
    c = beta if fixed.shift is None else beta + gamma * moments.per_token(fixed.shift)
    if scale.dim() == 2 and scale.shape[-1] == 1:
        return _Map(scale, gamma, c, fixed.centred)
    return _Map(None, gamma * scale, c, fixed.centred)


def _set(module: nn.Module, name: str, value: Tensor) -> None:
    old = getattr(module, name)
    if old is not None:
        old.data = value.to(old.dtype)
    else:
        like = next(module.parameters())
        setattr(module, name, nn.Parameter(value.to(like.dtype), requires_grad=like.requires_grad))


def _into_rows(weight: Tensor, bias: Tensor, fixed: _Map) -> tuple:
    """The layer y W^T + b behind y = centre(x) a + c: W' = W diag(a) P, P = I - 11^T / D; b' = b + W c."""
    weight = weight.double()
    merged = weight * fixed.a
    if fixed.centred:
        merged -= merged.mean(1, keepdim=True)
    return merged, bias.double() + weight @ fixed.c


def _into_reader(module: nn.Module, roles: frozenset, fixed: _Map) -> None:
    if not roles:
        bias = torch.zeros_like(module.weight[:, 0]) if module.bias is None else module.bias
        weight, bias = _into_rows(module.weight, bias, fixed)
        _set(module, "weight", weight)
        _set(module, "bias", bias)
        return
    embed = module.embed_dim
    if module.in_proj_bias is None:
        # PyTorch's fused attention wants both biases or none.
        _set(module, "in_proj_bias", torch.zeros(3 * embed, dtype=torch.double, device=module.out_proj.weight.device))
        if module.out_proj.bias is None:
            _set(module.out_proj, "bias", torch.zeros(embed, device=module.out_proj.weight.device))
    bias = module.in_proj_bias.double().clone()
    packed = module.in_proj_weight is not None
    weight = module.in_proj_weight.double().clone() if packed else None
    for index, role in enumerate(QKV):
        if role in roles:
            rows = slice(index * embed, (index + 1) * embed)
            name = f"{role[0]}_proj_weight"
            merged, bias[rows] = _into_rows(weight[rows] if packed else getattr(module, name), bias[rows], fixed)
            if packed:
                weight[rows] = merged
            else:
                _set(module, name, merged)
    if packed:
        _set(module, "in_proj_weight", weight)
    _set(module, "in_proj_bias", bias)


def _into_writer(module: nn.Linear, fixed: _Map) -> None:
    """y = centre(h) a + c behind h = z V^T + d: V' = diag(a) P V, d' = a P d + c."""
    weight = module.weight.double()
    bias = torch.zeros_like(weight[:, 0]) if module.bias is None else module.bias.double()
    if fixed.centred:
        weight, bias = weight - weight.mean(0), bias - bias.mean()
    _set(module, "weight", fixed.a[:, None] * weight)
    _set(module, "bias", fixed.a * bias + fixed.c)


class _Fitness:
    """Whether a layer's parameters are plain ones of its own, and its width fits."""

    def __init__(self, model: nn.Module):
        self.modules = dict(model.named_modules())
        self.owners = Counter(id(p) for m in self.modules.values() for p in m._parameters.values() if p is not None)

    def own(self, name: str, wanted: tuple) -> bool:
        slots = self.modules[name]._parameters
        return all(slot in slots for slot in wanted) and all(self.owners[id(p)] <= 1 for p in slots.values() if p is not None)

    def reads(self, reader: Reader, width: int) -> bool:
        module = self.modules[reader.name]
        if is_linear(module):
            return module.in_features == width and self.own(reader.name, ("weight", "bias"))
        sizes = {"query": module.embed_dim, "key": module.kdim, "value": module.vdim}
        return all(sizes[role] == width for role in reader.roles) and self.own(reader.name, ("in_proj_weight", "in_proj_bias"))

    def writes(self, name: str, width: int) -> bool:
        return self.modules[name].out_features == width and self.own(name, ("weight", "bias"))


def _named_readers(modules: dict, readers: dict) -> dict:
    found = {}
    for norm, names in readers.items():
        found[norm] = Neighbours([], None)
        for name in names:
            module = modules.get(name)
            if module is None or not (is_linear(module) or type(module) is nn.MultiheadAttention):
                raise ValueError(f"{name!r}, a reader of {norm!r}, is no nn.Linear or nn.MultiheadAttention in the model")
            found[norm].readers.append(Reader(name, frozenset() if is_linear(module) else frozenset(QKV)))
    return found


@torch.no_grad()
def fold(model: nn.Module, readers: Optional[dict] = None) -> nn.Module:
    """A copy of the model, for evaluation, in which no MovingLayerNorm is left; model.eval() and it agree but for rounding.

    A map goes into all the linear layers that read it (nn.Linear, the q, k, v of nn.MultiheadAttention), else into the nn.Linear
    that alone writes its input. Products are formed in double. What cannot be merged stays as an Affine: a constant for each
    token ([N, 1]) where moments depend on the token, silently; the whole map, with a warning, where the norm's output is also
    read by something else, or where moments depend on token and channel at once.

    readers: {"norm's name": ["reader's name", ...]}, trusted, for a model that torch.fx cannot trace.
    Raises ValueError where a gate is not at 0, the model cannot be traced and readers are not given, or readers name what is not
    there.
    """
    norms = moving_norms(model)
    for name, norm in norms.items():
        if float(norm.gate) != 0:
            raise ValueError(f"{name!r} still has its gate at {float(norm.gate):g}: only a fixed map can be merged")
    model = copy.deepcopy(model).eval()
    norms = moving_norms(model)
    fitness = _Fitness(model)
    if readers is not None:
        if unknown := sorted(set(readers) - set(norms)):
            raise ValueError(f"readers: {unknown[0]!r} is no MovingLayerNorm of the model; there are {', '.join(norms) or 'none'}")
        beside = _named_readers(fitness.modules, readers)
    else:
        beside = neighbours_of(model, set(norms)) if norms else {}
    replacements = {}
    for name, norm in norms.items():
        fixed, near = _map_of(norm), beside.get(name, Neighbours(None, None))
        width, dtype = norm.normalized_shape[0], norm.moments.kept()[0].dtype
        left = nn.Identity() if fixed.row is None else Affine(fixed.row.to(dtype))
        if fixed.merges and near.readers and all(fitness.reads(reader, width) for reader in near.readers):
            for reader in near.readers:
                _into_reader(fitness.modules[reader.name], reader.roles, fixed)
        elif fixed.merges and fixed.row is None and near.writer and fitness.writes(near.writer, width):
            _into_writer(fitness.modules[near.writer], fixed)
        else:
            scale = fixed.a if fixed.row is None else fixed.row * fixed.a
            left = Affine(scale.to(dtype), fixed.c.to(dtype), fixed.centred)
            warnings.warn(f"{name!r} was not merged: it stays as a constant scale and shift"
                          + (" of the centred input" if fixed.centred else ""), stacklevel=3)
        replacements[id(norm)] = left
    replace_modules(model, replacements)
    return model
