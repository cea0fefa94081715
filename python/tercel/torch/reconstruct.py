"""A network with fixed moments is brought near the one it was made from, on pictures without labels.

Block by block, in running order: a block is tuned until, on what the converted network so far feeds it, it gives nearly what the
teacher's block gives on the teacher's own road. Reconstruction by blocks is BRECQ's (Li et al. 2021, arXiv 2102.05426), which
learns by it how to round weights; that a block reads what was tuned before it and so makes good for it is He, Zhang and Sun 2017
(arXiv 1707.06168). Then, if wanted, all blocks at once against the teacher's scores (Hinton et al. 2015, arXiv 1503.02531), with
its hidden tokens beside them as in TinyBERT (Jiao et al. 2019, arXiv 1909.10351); teacher and student see the same augmented
picture (Beyer et al. 2021, arXiv 2106.05237).
"""
import math
from typing import Callable, NamedTuple, Optional, Sequence

import torch
from torch import Tensor, nn

from .distill import distillation_loss
from .norm import MovingLayerNorm, calibrate, evaluating, moving_norms

TUNABLE = ("weights", "norms", "moments")
SMALLEST_ENERGY = 1e-3  # of the mean: a token with less counts as if it had as much


class Tuned(NamedTuple):
    """What tuning did on the pictures held out. name: the block, or "scores" for the end, all blocks at once. before, after:
    relative_error of the block's output, or the divergence KL(teacher || model) of the scores in nats. epochs: after how many of
    them that was least, and where the parameters therefore are; 0 where none helped."""

    name: str
    before: float
    after: float
    epochs: int


def relative_error(got: Tensor, wanted: Tensor, first_weight: float = 1.0) -> Tensor:
    """Mean over pictures and tokens of |got - wanted|^2 / (D Var wanted), the variance over a token's D channels; a number.

    got, wanted: [B, N, D] or [B, D]. Each token is measured by its own energy, as the norms behind it do; in a mean of plain
    squares a few tokens with massive activations would be all there is. first_weight: how much the first token, the class token,
    counts beside any other.
    """
    got, wanted = got.float(), wanted.float()
    energy = wanted.var(-1, unbiased=False) * wanted.shape[-1]
    smallest = SMALLEST_ENERGY * energy.mean() + torch.finfo(energy.dtype).tiny
    error = (got - wanted).square().sum(-1) / torch.maximum(energy, smallest)
    if first_weight == 1 or error.dim() < 2:
        return error.mean()
    others = error.shape[1] - 1
    return (error[:, 1:].sum(1) + first_weight * error[:, 0]).mean() / (others + first_weight)


class _Arrived(Exception):
    """The block whose input is wanted was reached; the rest of the network need not run."""


class _Watch:
    """What blocks read and give while a model runs."""

    def __init__(self, blocks: dict, stop_before: Optional[str] = None):
        self.inputs, self.outputs, self._stop_before = {}, {}, stop_before
        self._handles = []
        for name, block in blocks.items():
            self._handles += [block.register_forward_pre_hook(self._before(name)), block.register_forward_hook(self._after(name))]

    def _before(self, name: str) -> Callable:
        def see(block, inputs):
            if len(inputs) != 1 or not isinstance(inputs[0], Tensor):
                raise ValueError(f"block {name!r} reads something other than one tensor")
            if name in self.inputs:
                raise ValueError(f"block {name!r} runs more than once")
            self.inputs[name] = inputs[0]
            if name == self._stop_before:
                raise _Arrived
        return see

    def _after(self, name: str) -> Callable:
        def see(block, inputs, output):
            if not isinstance(output, Tensor):
                raise ValueError(f"block {name!r} gives something other than one tensor")
            self.outputs[name] = output
        return see

    def __enter__(self) -> "_Watch":
        return self

    def __exit__(self, kind, error, trace) -> bool:
        for handle in self._handles:
            handle.remove()
        return kind is _Arrived


def _named(model: nn.Module, blocks: Sequence, whose: str) -> dict:
    """name -> module; blocks are names, or modules of the model."""
    modules = dict(model.named_modules())
    names = {id(module): name for name, module in modules.items()}
    found = {}
    for block in blocks:
        name = block if isinstance(block, str) else names.get(id(block))
        if name is None or name not in modules:
            raise ValueError(f"the {whose} has no block {name or block!r}")
        if name in found:
            raise ValueError(f"block {name!r} is named twice")
        found[name] = modules[name]
    for name in found:
        for other in found:
            if other != name and (name == "" or other.startswith(name + ".")):
                raise ValueError(f"block {other!r} is a part of block {name!r}")
    return found


class _Tuning:
    """Adam on what `tune` names in some modules, everything else of the model at rest. The rate rises over a tenth of the steps
    and falls along a cosine; clipped to a gradient of norm 1."""

    def __init__(self, model: nn.Module, modules: Sequence[nn.Module], tune: Sequence[str], rate: float, steps: int):
        sizes = {}  # tensor -> how far a step goes, beside a step of the others
        for part in (part for module in modules for part in module.modules()):
            if ("norms" if isinstance(part, nn.LayerNorm) else "weights") in tune:
                sizes.update({p: 1.0 for p in part.parameters(recurse=False) if p.requires_grad})
            if "moments" in tune and isinstance(part, MovingLayerNorm):
                # Moments have the size of the activations, whatever that is.
                sizes.update({p: float(p.square().mean().sqrt()) for p in part.moments.tunable()})
        if not sizes:
            raise ValueError(f"the blocks hold nothing to tune of {', '.join(tune)}")
        self._resting = [p for p in model.parameters() if p.requires_grad and p not in sizes]
        self._tuned = list(sizes)
        self._buffers = [p for p in sizes if not isinstance(p, nn.Parameter)]
        for p in self._resting:
            p.requires_grad_(False)
        for p in self._buffers:
            p.requires_grad_(True)
        self._adam = torch.optim.Adam([{"params": [p], "lr": rate * size} for p, size in sizes.items()])
        warmup = max(1, steps // 10)
        self._schedule = torch.optim.lr_scheduler.LambdaLR(self._adam, lambda step: min(
            (step + 1) / warmup, 0.5 + 0.5 * math.cos(math.pi * min(1.0, step / steps))))
        self.keep()

    def step(self, loss: Tensor) -> None:
        if not math.isfinite(float(loss)):
            raise ValueError("the error is no longer a number; a smaller rate may help")
        self._adam.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self._tuned, 1.0)
        self._adam.step()
        self._schedule.step()

    def keep(self) -> None:
        """What close() will go back to."""
        self._kept = [p.detach().clone() for p in self._tuned]

    def __enter__(self) -> "_Tuning":
        return self

    @torch.no_grad()
    def __exit__(self, *error) -> None:
        for p, kept in zip(self._tuned, self._kept):
            p.copy_(kept)
            p.grad = None
        for p in self._buffers:
            p.requires_grad_(False)
        for p in self._resting:
            p.requires_grad_(True)


class _Reconstruction:
    """pictures to tune on, held to judge on; indices of pictures are those of the caller."""

    def __init__(self, model, teacher, pictures, blocks, held_out, augment, tune, batch, first_weight, seed, progress):
        self.model, self.teacher, self.augment, self.tune, self.progress = model, teacher, augment, tune, progress
        self.batch, self.first_weight = batch, first_weight
        self.mine = _named(model, blocks, "model")
        self.theirs = _named(teacher, list(self.mine), "teacher")
        self.generator = torch.Generator().manual_seed(seed)
        order = torch.randperm(len(pictures), generator=self.generator)
        apart = min(len(pictures) - 1, max(1, round(held_out * len(pictures))))
        self.pictures, self.held, self.chosen = pictures, pictures[order[:apart]], order[apart:].sort().values
        self.reached = None

    def tell(self, what: str, done: float) -> None:
        if self.progress is not None:
            self.progress(what, min(1.0, done))

    def view(self, chosen: Tensor) -> Tensor:
        return self.pictures[chosen] if self.augment is None else self.augment(chosen, self.generator)

    @torch.no_grad()
    def teach(self, views: int) -> None:
        """What every block of the teacher gives, and which of them read just what the one before them gives."""
        looks = [self.pictures[self.chosen]]
        looks += [torch.cat([self.view(part) for part in self.chosen.split(self.batch)]) for _ in range(views - 1)]
        self.inputs = torch.cat([*looks, self.held])
        self.count = len(self.inputs) - len(self.held)
        wanted = {name: [] for name in self.theirs}
        for i, part in enumerate(self.inputs.split(self.batch)):
            with _Watch(self.theirs) as watch:
                self.teacher(part)
            for name in self.theirs:
                if name not in watch.outputs:
                    raise ValueError(f"the teacher's block {name!r} did not run")
                wanted[name].append(watch.outputs[name])
            self.tell("teacher", (i + 1) * self.batch / len(self.inputs))
        self.order = list(watch.outputs)
        self.follows = {after: before for before, after in zip(self.order, self.order[1:])
                        if watch.inputs[after] is watch.outputs[before]}
        self.wanted = {name: torch.cat(parts) for name, parts in wanted.items()}

    @torch.no_grad()
    def stream(self, name: str) -> Tensor:
        """What the network, tuned so far, feeds a block."""
        before = self.follows.get(name)
        if before is not None and self.reached == before:
            self.at = torch.cat([self.mine[before](part) for part in self.at.split(self.batch)])
        else:
            self.at = torch.cat([self._input_of(name, part) for part in self.inputs.split(self.batch)])
        self.reached = name
        return self.at

    def _input_of(self, name: str, pictures: Tensor) -> Tensor:
        with _Watch({name: self.mine[name]}, stop_before=name) as watch:
            self.model(pictures)
        if name not in watch.inputs:
            raise ValueError(f"the model's block {name!r} did not run")
        return watch.inputs[name]

    @torch.no_grad()
    def _error(self, block: nn.Module, x: Tensor, wanted: Tensor) -> float:
        return sum(float(relative_error(block(a), b, self.first_weight)) * len(a)
                   for a, b in zip(x.split(self.batch), wanted.split(self.batch))) / len(x)

    def _descend(self, name: str, modules: list, epochs: int, rate: float, count: int, loss: Callable, judge: Callable) -> Tuned:
        """loss(indices below count) is what a step lessens, judge() what decides which epoch's parameters stay."""
        before = best = judge()
        kept = 0
        if epochs == 0:
            return Tuned(name, before, best, kept)
        steps = math.ceil(count / self.batch)
        with torch.enable_grad(), _Tuning(self.model, modules, self.tune, rate, epochs * steps) as tuning:
            for epoch in range(epochs):
                for i, chosen in enumerate(torch.randperm(count, generator=self.generator).split(self.batch)):
                    tuning.step(loss(chosen))
                    self.tell(name, (epoch + (i + 1) / steps) / epochs)
                if (found := judge()) < best:
                    best, kept = found, epoch + 1
                    tuning.keep()
        return Tuned(name, before, best, kept)

    def block(self, name: str, epochs: int, rate: float) -> Tuned:
        block, wanted, x = self.mine[name], self.wanted.pop(name), self.stream(name)
        for norm in moving_norms(block).values():  # one after the other: the second sees what the first, fixed, leaves of the stream
            if float(norm.gate) > 0:
                calibrate(block, x[:self.count].split(self.batch))
                norm.gate.fill_(0)
        with torch.no_grad():
            shape = block(x[:1]).shape[1:]
        if shape != wanted.shape[1:]:
            raise ValueError(f"block {name!r} gives {tuple(shape)} a picture, the teacher's {tuple(wanted.shape[1:])}")
        held, held_wanted = x[self.count:], wanted[self.count:]
        return self._descend(name, [block], epochs, rate, self.count,
                             lambda chosen: relative_error(block(x[chosen]), wanted[chosen], self.first_weight),
                             lambda: self._error(block, held, held_wanted))

    def _loss(self, pictures: Tensor, hidden_weight: float) -> Tensor:
        with torch.no_grad(), _Watch(self.theirs) as theirs:
            wanted = self.teacher(pictures).float()
        with _Watch(self.mine) as mine:
            scores = self.model(pictures).float()
        loss = distillation_loss(scores, wanted.argmax(-1), wanted, weight=1.0)  # no part of it is from the labels it is given
        if hidden_weight == 0:
            return loss
        errors = [relative_error(mine.outputs[name], theirs.outputs[name], self.first_weight) for name in self.mine]
        return loss + hidden_weight * sum(errors) / len(errors)

    @torch.no_grad()
    def _divergence(self) -> float:
        return sum(float(self._loss(part, 0)) * len(part) for part in self.held.split(self.batch)) / len(self.held)

    def scores(self, epochs: int, rate: float, hidden_weight: float) -> Tuned:
        return self._descend("scores", list(self.mine.values()), epochs, rate, len(self.chosen),
                             lambda chosen: self._loss(self.view(self.chosen[chosen]), hidden_weight), self._divergence)


def _check(model: nn.Module, teacher: nn.Module, pictures: Tensor, blocks: Sequence, tune: Sequence[str], **numbers) -> None:
    if not isinstance(pictures, Tensor) or len(pictures) < 2:
        raise ValueError("pictures is a tensor of two or more, of which some are held out")
    theirs = {id(p) for p in teacher.parameters()}
    if any(id(p) in theirs for p in model.parameters()):
        raise ValueError("model and teacher share parameters: keep a copy.deepcopy of the model before it is converted")
    if isinstance(blocks, str) or not blocks:
        raise ValueError("blocks is a list of names or modules, one or more")
    if isinstance(tune, str) or not tune or set(tune) - set(TUNABLE):
        raise ValueError(f"tune is some of {', '.join(TUNABLE)}; not {tune!r}")
    smallest = {"epochs": 0, "final_epochs": 0, "hidden_weight": 0, "batch": 1, "views": 1}
    for name, least in smallest.items():
        if not numbers[name] >= least:
            raise ValueError(f"{name} is {least} or more; not {numbers[name]}")
    for name in ("rate", "final_rate", "first_weight"):
        if not numbers[name] > 0:
            raise ValueError(f"{name} is above 0; not {numbers[name]}")
    if not 0 < numbers["held_out"] < 1:
        raise ValueError(f"held_out is a part of the pictures, between 0 and 1; not {numbers['held_out']}")


def reconstruct(model: nn.Module, teacher: nn.Module, pictures: Tensor, blocks: Sequence, *, epochs: int = 4, rate: float = 1e-3,
                final_epochs: int = 0, final_rate: float = 1e-4, hidden_weight: float = 1.0, augment: Optional[Callable] = None,
                views: int = 1, held_out: float = 0.1, tune: Sequence[str] = TUNABLE, batch: int = 8, first_weight: float = 1.0,
                seed: int = 1, progress: Optional[Callable] = None) -> list:
    """Tunes blocks of a converted model, in place, towards the teacher it is a copy of; returns a Tuned for each block in running
    order, and one for the end where there is one.

        teacher = copy.deepcopy(model)
        convert(model, "affine", skip=...)                            # gates at 1: they are closed here
        reconstruct(model, teacher, pictures, ["blocks.3", "blocks.4"], final_epochs=10)
        export(model, pictures[:1], "model.onnx")

    pictures: [n, ...], inputs of the model. blocks: names, or modules of the model; each reads one tensor and gives one,
    [B, N, D] or [B, D]. In each, norms whose gate is open are measured on what comes in now and closed; then Adam takes `epochs`
    rounds at `rate` to lessen relative_error. final_epochs: rounds over all blocks together, at final_rate, to lessen
    KL(teacher || model) of the scores [B, classes] plus hidden_weight times the mean of the blocks' errors.

    tune: "weights": parameters outside of LayerNorms; "norms": gamma and beta; "moments": those that any value suits. What takes
    no gradient stays. augment(indices, generator): other views of the pictures with these indices, as inputs; seen by the end in
    every round, and by the blocks where views, the number of looks at each picture, is above 1. held_out: the part of the pictures
    (no less than one) that no step is taken on; on it is judged after each round, and the best round's parameters stay, so that
    nothing gets worse there. first_weight: see relative_error. progress(what, part): called after every step.

    Works in evaluation mode. The same seed on the same machine gives the same weights. Keeps the blocks' outputs for all views.
    Raises ValueError where arguments make no sense, a block is missing or does not fit, a gate is open outside of the blocks,
    or the error is no longer a number.
    """
    _check(model, teacher, pictures, blocks, tune, epochs=epochs, final_epochs=final_epochs, hidden_weight=hidden_weight,
           batch=batch, views=views, rate=rate, final_rate=final_rate, first_weight=first_weight, held_out=held_out)
    if views > 1 and augment is None:
        raise ValueError(f"{views} views of a picture need augment, which makes them")
    work = _Reconstruction(model, teacher, pictures, blocks, held_out, augment, tune, batch, first_weight, seed, progress)
    inside = {id(norm) for block in work.mine.values() for norm in moving_norms(block).values()}
    outside = [name for name, norm in moving_norms(model).items() if float(norm.gate) > 0 and id(norm) not in inside]
    if outside:
        raise ValueError(f"the gate of {outside[0]!r} is open, and it is in none of the blocks")
    found = []
    with evaluating(model), evaluating(teacher):
        if epochs > 0 or any(float(norm.gate) > 0 for norm in moving_norms(model).values()):
            work.teach(views)
            found = [work.block(name, epochs, rate) for name in work.order]
        if final_epochs > 0:
            found.append(work.scores(final_epochs, final_rate, hidden_weight))
    return found
