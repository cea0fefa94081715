"""MovingLayerNorm, and how a network gets it."""
import contextlib
import difflib
import fnmatch
from typing import Iterable, Optional, Sequence

import torch
from torch import Tensor, nn

from .moments import KINDS, FixedMap


class MovingLayerNorm(nn.LayerNorm):
    """nn.LayerNorm over the last axis, on its way to a map whose moments are fixed.

        y = gate LN(x) + (1 - gate) (gamma fixed(x) + beta),   x, y: [..., D], or [..., N, D] where moments depend on the token

    in training and evaluation alike. fixed(x) is described in tercel.torch.moments. With gate 1, as built, this is nn.LayerNorm;
    with gate 0 nothing is left to compute from x but, at most, a mean that merges into a linear layer.

    Training observes moments, without gradient, as kept = (1 - momentum) kept + momentum batch (momentum None: the mean of all
    batches). Those of kinds other than "channel" say what LayerNorm would do, so they rest once the gate is at 0.

    moments: "scalar": one number for all tokens; "position": one for each position; "channel": mean and variance of each channel
    (BatchNorm); "affine": a line for each channel by least squares.
    class_token: moments of their own for the first token. tokens: N, wanted by "position" and class_token.

    State: weight and bias under nn.LayerNorm's names, moments.*, gate, seen (batches observed). Raises ValueError where moments,
    momentum or tokens make no sense, and for an input of other than N tokens where N matters.
    """

    def __init__(self, normalized_shape, moments: str = "scalar", eps: float = 1e-5, momentum: Optional[float] = 0.1,
                 class_token: bool = False, tokens: Optional[int] = None, **layer_norm_options):
        super().__init__(normalized_shape, eps, **layer_norm_options)
        if len(self.normalized_shape) != 1:
            raise ValueError(f"moments are kept of the last axis only; normalized_shape is {self.normalized_shape}")
        if moments not in KINDS:
            raise ValueError(f"moments is one of {', '.join(KINDS)}; not {moments!r}")
        if momentum is not None and not 0 < momentum <= 1:
            raise ValueError(f"momentum is above 0 and at most 1, or None; not {momentum}")
        by_token = class_token or moments == "position"
        if by_token and (tokens is None or tokens < 2):
            raise ValueError(f"moments that depend on the token need tokens, their number, 2 or more; not {tokens}")
        rows = tokens if moments == "position" else 2 if class_token else 1
        self.kind, self.momentum, self.tokens = moments, momentum, tokens if by_token else None
        self.calibrating = False
        self.moments = KINDS[moments](self.normalized_shape[0], rows, self.tokens)
        self.register_buffer("gate", torch.ones(()))
        self.register_buffer("seen", torch.zeros((), dtype=torch.long))

    @classmethod
    def from_layer_norm(cls, norm: nn.LayerNorm, **options) -> "MovingLayerNorm":
        """Takes over eps and the very parameters, so that an optimizer that holds them goes on."""
        made = cls(norm.normalized_shape, eps=norm.eps, **options)
        made.elementwise_affine = norm.elementwise_affine
        made.weight, made.bias = norm.weight, norm.bias
        if norm.weight is not None:
            made.moments.to(norm.weight.device)
            made.gate, made.seen = made.gate.to(norm.weight.device), made.seen.to(norm.weight.device)
        return made.train(norm.training)

    def forward(self, x: Tensor) -> Tensor:
        if self.tokens is not None and (x.dim() < 2 or x.shape[-2] != self.tokens):
            raise ValueError(f"moments of {self.tokens} tokens were wanted; the input's shape is {tuple(x.shape)}")
        gate = float(self.gate)
        moments = self.moments.kept()
        if self.training or self.calibrating:
            if self.moments.uses_batch and gate < 1:
                moments = self.moments.measure(x, self.eps)
                self._observe(moments)
            elif gate > 0:
                with torch.no_grad():
                    self._observe(self.moments.measure(x.float(), self.eps))
        exact = super().forward(x) if gate > 0 else None
        if gate == 1:
            return exact
        fixed = self._apply(self.moments.map(moments, self.eps), x)
        return fixed if gate == 0 else torch.lerp(fixed, exact.to(fixed.dtype), gate)

    @torch.no_grad()
    def _observe(self, batch: tuple) -> None:
        # The first batches count alike: what the moments were before any of them says nothing.
        first = 1 / (int(self.seen) + 1)
        self.moments.blend(batch, first if self.momentum is None else max(first, self.momentum))
        self.seen += 1

    def _apply(self, fixed: FixedMap, x: Tensor) -> Tensor:
        if fixed.centred:
            x = x - x.mean(-1, keepdim=True)
        y = x * self.moments.per_token(fixed.scale)
        if fixed.shift is not None:
            y = y + self.moments.per_token(fixed.shift)
        y = y if self.weight is None else y * self.weight
        return y if self.bias is None else y + self.bias

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, moments={self.kind}, rows={self.moments.rows}, gate={float(self.gate):g}"


def moving_norms(model: nn.Module) -> dict:
    """name -> MovingLayerNorm, in the model's order."""
    return {name: module for name, module in model.named_modules() if isinstance(module, MovingLayerNorm)}


def replace_modules(model: nn.Module, replacements: dict) -> None:
    """Puts replacements[id(module)] under every name a module goes by."""
    for parent in list(model.modules()):
        for name, child in list(parent._modules.items()):
            if id(child) in replacements:
                setattr(parent, name, replacements[id(child)])


@contextlib.contextmanager
def evaluating(model: nn.Module):
    """The model in evaluation mode; afterwards each module is in the mode it was in."""
    modes = [(module, module.training) for module in model.modules()]
    try:
        yield model.eval()
    finally:
        for module, mode in modes:
            module.training = mode


def _tokens_of(model: nn.Module, norms: Iterable[nn.LayerNorm], example: Tensor) -> dict:
    """id(norm) -> N, or None where its input is a [B, D] without a token axis; from running the model once on example."""
    tokens = {}

    def see(norm, inputs):
        tokens[id(norm)] = inputs[0].shape[-2] if inputs[0].dim() > 2 else None

    hooks = [norm.register_forward_pre_hook(see) for norm in norms]
    try:
        with evaluating(model), torch.no_grad():
            model(example)
    finally:
        for hook in hooks:
            hook.remove()
    return tokens


def convert(model: nn.Module, moments: str = "scalar", *, skip: Sequence[str] = (), example: Optional[Tensor] = None,
            momentum: Optional[float] = 0.1, class_token: bool = False) -> nn.Module:
    """Replaces the LayerNorms of a model, in place, by MovingLayerNorms with the gate at 1; returns the model.

    Names and parameters stay. skip: patterns of names to leave exact (fnmatch: "encoder.ln", "*.0.norm?"). The last norm is a
    good one to skip: it fixes the scale of the scores (TaperNorm), and costs one row where a class token is read. example: an
    input of the model, from which N is learnt where moments depend on the token; a norm of [B, D] then gets one group. Subclasses
    of nn.LayerNorm with a forward of their own and norms over several axes are left alone.

    Raises ValueError where a pattern matches no such norm, nothing is left to replace, or example is missing or does not come past every norm.
    """
    if isinstance(skip, str):
        raise ValueError(f"skip is a list of patterns; not the word {skip!r}")
    norms = {name: module for name, module in model.named_modules()
             if isinstance(module, nn.LayerNorm) and type(module).forward is nn.LayerNorm.forward
             and len(module.normalized_shape) == 1}
    for pattern in skip:
        if not any(fnmatch.fnmatchcase(name, pattern) for name in norms):
            near = difflib.get_close_matches(pattern, norms, 1)
            raise ValueError(f"skip: {pattern!r} is the name of no LayerNorm here"
                             + (f"; did you mean {near[0]!r}?" if near else f"; there are {', '.join(norms) or 'none'}"))
    found = [(name, module) for name, module in norms.items()
             if not any(fnmatch.fnmatchcase(name, pattern) for pattern in skip)]
    if not found:
        raise ValueError("the model has no nn.LayerNorm to replace")
    for module in model.modules():
        if isinstance(module, nn.TransformerEncoderLayer):
            module.activation_relu_or_gelu = 0  # PyTorch's word for: no fused evaluation, which never calls the norms
    by_token = class_token or moments == "position"
    if by_token and example is None:
        raise ValueError("moments that depend on the token need an example input")
    tokens = _tokens_of(model, [norm for _, norm in found], example) if by_token else {}
    replacements = {}
    for name, norm in found:
        if by_token and id(norm) not in tokens:
            raise ValueError(f"the example did not come past {name!r}")
        options = {"moments": moments, "class_token": class_token, "tokens": tokens.get(id(norm))}
        if by_token and options["tokens"] is None:
            options = {"moments": "scalar" if moments == "position" else moments}
        replacements[id(norm)] = MovingLayerNorm.from_layer_norm(norm, momentum=momentum, **options)
    replace_modules(model, replacements)
    return model


@torch.no_grad()
def calibrate(model: nn.Module, batches: Iterable) -> nn.Module:
    """Measures the moments anew as means over batches of equal size, each an input of the model or a tuple that starts with one.

    Before fine-tuning (gate at 1) this makes every fixed map the best fit, by least squares, to the LayerNorm it stands for.
    After training it settles "channel" moments on clean data; the other kinds rest at gate 0 and stay as they are. Runs the model
    in evaluation mode. Raises ValueError where there are no batches.
    """
    norms = [norm for norm in moving_norms(model).values() if norm.moments.uses_batch or float(norm.gate) > 0]
    momenta = [norm.momentum for norm in norms]
    count = 0
    try:
        for norm in norms:
            norm.calibrating, norm.momentum = True, None
            norm.seen.zero_()
        with evaluating(model):
            for batch in batches:
                model(batch[0] if isinstance(batch, (tuple, list)) else batch)
                count += 1
    finally:
        for norm, momentum in zip(norms, momenta):
            norm.calibrating, norm.momentum = False, momentum
    if count == 0:
        raise ValueError("no batches to calibrate with")
    return model
