"""What is remembered of a LayerNorm's input, and the fixed map that stands in for the normalisation.

LayerNorm without its gamma and beta is xhat = (x - mu) / sigma, where mu and sigma = sqrt(v + eps) are a token's own mean and
deviation over D channels. Each class here keeps moments, shaped [R, 1] or [R, D] for R groups of tokens, and makes of them

    fixed(x) = (centred ? x - mu : x) * scale + shift

mu may stay exact because centring is a matrix and merges into the next linear layer as well as a constant does.
Moments of a group are those of all its tokens in all pictures. The groups (rows): 1 (all tokens), 2 (the class token, which
comes first, and the others) or N (each position for itself).
"""
from typing import NamedTuple, Optional

import torch
from torch import Tensor, nn

SMALLEST_VARIANCE = 1e-12  # under this a channel is constant: the slope through it is 0/0, and 0 does


class FixedMap(NamedTuple):
    """xhat from x: scale is [R, 1] or [R, D], shift [R, D] or None, centred says whether a token's mean is subtracted first."""

    scale: Tensor
    shift: Optional[Tensor]
    centred: bool


class Moments(nn.Module):
    """Moments of the input x [..., N, D] of one LayerNorm, buffers of the state.

    names: theirs, with the values they have before anything is measured; these make fixed(x) = x but for centring and eps.
    tokens: N where rows > 1, else None.
    """

    names = {}
    free = ()  # of names, those that may be tuned: any value of them makes a map
    uses_batch = False  # whether training normalises with the batch's own moments, as BatchNorm does

    def __init__(self, width: int, rows: int, tokens: Optional[int]):
        super().__init__()
        self.rows, self.tokens = rows, tokens
        for name, start in self.names.items():
            self.register_buffer(name, torch.full((rows, width), start))

    def group_mean(self, values: Tensor) -> Tensor:
        """Mean over pictures and over each group's tokens: [..., N, C] -> [R, C]."""
        if self.rows == 1:
            return values.flatten(0, -2).mean(0, keepdim=True)
        by_token = values.reshape(-1, *values.shape[-2:]).mean(0)
        if self.rows == self.tokens:
            return by_token
        return torch.cat([by_token[:1], by_token[1:].mean(0, keepdim=True)])

    def per_token(self, values: Tensor) -> Tensor:
        """What broadcasts over x: [R, C] -> [C] where all tokens share it, else [N, C]."""
        if self.rows == 1:
            return values[0]
        if self.rows == self.tokens:
            return values
        return torch.cat([values[:1], values[1:].expand(self.tokens - 1, -1)])

    def tunable(self) -> list:
        return [getattr(self, name) for name in self.free]

    def kept(self) -> tuple:
        return tuple(getattr(self, name) for name in self.names)

    def measure(self, x: Tensor, eps: float) -> tuple:
        """The batch's moments, in the order of names."""
        raise NotImplementedError

    def blend(self, batch: tuple, momentum: float) -> None:
        """kept = (1 - momentum) kept + momentum batch. Second moments are those of the mixture of both, so that momentum = 1/k
        for the k-th batch gives the moments of all batches together (Chan, Golub, LeVeque 1979)."""
        old = dict(zip(self.names, self.kept()))
        new = {name: values.to(old[name].dtype) for name, values in zip(self.names, batch)}
        between = {}  # what the distance of the two means adds
        if "var" in old:
            between["var"] = (new["mean"] - old["mean"]) ** 2
        if "cov" in old:
            between["cov"] = (new["mean"] - old["mean"]) * (new["mean_hat"] - old["mean_hat"])
        for name in self.names:
            old[name].lerp_(new[name], momentum).add_(between.get(name, 0), alpha=momentum * (1 - momentum))

    def map(self, moments: tuple, eps: float) -> FixedMap:
        """The fixed map that moments, kept() or measure()d, make."""
        raise NotImplementedError


class RowMoments(Moments):
    """One number for a group's tokens; mu stays exact. With v a token's variance, xhat is fitted by s (x - mu) with

        s = sum <x - mu, xhat> / sum |x - mu|^2 = E[v / sigma] / E[v],

    its least squares solution. With one group this is the frozen sigma of FakeLN (arXiv 2409.13710, 2507.02559), but for their
    s = 1 / E[sigma]; with a group for every position it can serve the class token and plain patches at once.
    """

    names = {"power": 1.0, "ratio": 1.0}  # E[v], E[v / sigma]
    free = ("ratio",)

    def __init__(self, width: int, rows: int, tokens: Optional[int]):
        super().__init__(1, rows, tokens)

    def measure(self, x: Tensor, eps: float) -> tuple:
        v = x.var(-1, unbiased=False, keepdim=True)
        return self.group_mean(v), self.group_mean(v * (v + eps).rsqrt())

    def map(self, moments: tuple, eps: float) -> FixedMap:
        power, ratio = moments
        return FixedMap(ratio / power.clamp_min(SMALLEST_VARIANCE), None, True)


class ChannelMoments(Moments):
    """Mean m and variance v of every channel, over pictures and tokens: xhat = (x - m) / sqrt(v + eps), BatchNorm.

    Training normalises with the batch's moments, running with the kept ones: through the kept ones gradients would not see that
    the moments follow the weights. The way from LayerNorm to BatchNorm by a gate is that of PRepBN (SLAB, arXiv 2405.11582);
    Unified Normalization (arXiv 2208.01313) does the same with quadratic means.
    """

    names = {"mean": 0.0, "var": 1.0}
    free = ("mean",)
    uses_batch = True

    def measure(self, x: Tensor, eps: float) -> tuple:
        mean = self.group_mean(x)
        return mean, self.group_mean((x - self.per_token(mean)) ** 2)

    def map(self, moments: tuple, eps: float) -> FixedMap:
        mean, var = moments
        scale = (var + eps).rsqrt()
        return FixedMap(scale, -mean * scale, False)


class AffineMoments(Moments):
    """The straight line through (x_c, xhat_c) of every channel c by least squares:

        scale_c = cov(x_c, xhat_c) / var(x_c),   shift_c = E[xhat_c] - scale_c E[x_c].

    gamma and beta go on training behind it, which makes this the learned fixed map of TaperNorm (arXiv 2602.10408).
    """

    names = {"mean": 0.0, "var": 1.0, "mean_hat": 0.0, "cov": 1.0}
    free = ("mean_hat", "cov")

    def measure(self, x: Tensor, eps: float) -> tuple:
        xhat = nn.functional.layer_norm(x, x.shape[-1:], eps=eps)
        mean, mean_hat = self.group_mean(x), self.group_mean(xhat)
        apart = x - self.per_token(mean)
        return mean, self.group_mean(apart**2), mean_hat, self.group_mean(apart * (xhat - self.per_token(mean_hat)))

    def map(self, moments: tuple, eps: float) -> FixedMap:
        mean, var, mean_hat, cov = moments
        scale = cov / var.clamp_min(SMALLEST_VARIANCE)
        return FixedMap(scale, mean_hat - scale * mean, False)


KINDS = {"scalar": RowMoments, "position": RowMoments, "channel": ChannelMoments, "affine": AffineMoments}
