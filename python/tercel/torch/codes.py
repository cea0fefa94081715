"""Features that are trained to be bits, and code words that a binary memory stores.

    from tercel.torch import CodeWords, export
    model = nn.Sequential(convolutions, nn.BatchNorm2d(128), nn.Flatten(), CodeWords(classes=10, bits=512))
    ...                                                      # a usual step of training, with cross entropy
    export(model, images[:1], "codes.onnx")
    # tercel hopfield fit codes.onnx --code-words -o memory.tercel

The sign of every feature is a bit of the code; a class is named by the overlap of code and code word. The memory that Tercel
makes of the file holds the code words themselves, so that it answers as the network does.
"""
import math
from typing import Union

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class _Sign(torch.autograd.Function):
    @staticmethod
    def forward(context, x: Tensor) -> Tensor:
        context.save_for_backward(x)
        return torch.where(x > 0, torch.ones_like(x), -torch.ones_like(x))

    @staticmethod
    def backward(context, gradient: Tensor) -> Tensor:
        (x,) = context.saved_tensors
        return gradient * (x.abs() <= 1)


def binary_sign(x: Tensor) -> Tensor:
    """+1 where x > 0, else -1 (NaN too), of any shape. Its gradient goes straight through where |x| <= 1 and is 0 elsewhere
    (Bengio, Leonard, Courville, arXiv 1308.3432; the clipped form: Hubara et al., arXiv 1602.02830)."""
    return _Sign.apply(x)


def hadamard_words(classes: int, bits: int, seed: int = 0) -> Tensor:
    """Code words [classes, bits] of +1 and -1: rows of Sylvester's Hadamard matrix, drawn by the seed without the constant one, their
    columns in an order and with signs drawn as well, so that no word follows the order of the features. Where bits is a power of
    two, words are orthogonal; else columns are left out, and words overlap as random ones do.

    A fixed classifier of Hadamard rows: Hoffer, Hubara, Soudry, arXiv 1801.04540.
    Raises ValueError for fewer than 2 classes, and where the matrix has too few rows: classes must be below the power of two
    that bits is or lies under.
    """
    if classes < 2 or bits < 1:
        raise ValueError(f"code words are of 2 or more classes and of 1 or more bits; not {classes} words of {bits} bits")
    size = 1 << math.ceil(math.log2(bits)) if bits > 1 else 1
    if classes >= size:
        raise ValueError(f"{bits} bits hold fewer than {size} Hadamard words, not {classes}; take more bits, or words='learned'")
    random = torch.Generator().manual_seed(seed)
    rows = 1 + torch.randperm(size - 1, generator=random)[:classes]
    columns = torch.randperm(size, generator=random)[:bits]
    signs = 1 - 2 * torch.randint(0, 2, (bits,), generator=random)
    common = rows[:, None] & columns[None, :]
    odd = torch.zeros_like(common)
    while bool(common.any()):
        odd ^= common & 1
        common = common >> 1
    return ((1 - 2 * odd) * signs).float()


class _Signs(nn.Module):
    """binary_sign without a gradient, in operators that ONNX has."""

    def __init__(self):
        super().__init__()
        self.register_buffer("one", torch.tensor(1.0))
        self.register_buffer("minus_one", torch.tensor(-1.0))

    def forward(self, x: Tensor) -> Tensor:
        return torch.where(x > 0, self.one, self.minus_one)


class CodeWords(nn.Module):
    """Scores of classes by the overlap of a binary code with their code words, in place of a classifier's last layers.

    Features [B, bits], best the output of a batch normalization, whose values lie around 0 -> scores [B, classes] =
    exp(log_beta) * binary_sign(features) @ words.T.

    words: "hadamard" (fixed, hadamard_words), "learned" (signs of a parameter, which gradients reach as binary_sign lets them), or
    a tensor [classes, bits] of +1 and -1. seed draws both of the first two. beta: the factor of the overlaps, which is learned
    from there on; None: 1 / sqrt(bits). Raises ValueError for words that are none of these, and for a beta that is not above 0;
    forward, for features of another width.
    """

    def __init__(self, classes: int, bits: int, words: Union[str, Tensor] = "hadamard", seed: int = 0, beta: float = None):
        super().__init__()
        self.classes, self.bits = classes, bits
        self.latent = None
        if isinstance(words, Tensor):
            if tuple(words.shape) != (classes, bits) or not bool((words.abs() == 1).all()):
                raise ValueError(f"code words are +1 and -1, [{classes}, {bits}]; not {tuple(words.shape)} of other numbers")
            self.register_buffer("fixed", words.float().clone())
        elif words == "hadamard":
            self.register_buffer("fixed", hadamard_words(classes, bits, seed))
        elif words == "learned":
            if classes < 2 or bits < 1:
                raise ValueError(f"code words are of 2 or more classes and of 1 or more bits; not {classes} words of {bits} bits")
            self.latent = nn.Parameter(torch.empty(classes, bits).uniform_(-1, 1, generator=torch.Generator().manual_seed(seed)))
        else:
            raise ValueError(f"words is 'hadamard', 'learned' or a tensor; not {words!r}")
        if beta is not None and not (beta > 0 and math.isfinite(beta)):
            raise ValueError(f"beta is a number above 0; not {beta}")
        self.log_beta = nn.Parameter(torch.tensor(math.log(bits**-0.5 if beta is None else beta)))

    @property
    def words(self) -> Tensor:
        """[classes, bits] of +1 and -1."""
        return self.fixed if self.latent is None else binary_sign(self.latent)

    @property
    def weight(self) -> Tensor:
        """[classes, bits]: code words times beta. One magnitude everywhere: by it Tercel knows code words in a file."""
        return self.words * self.log_beta.exp()

    def codes(self, features: Tensor) -> Tensor:
        """[B, bits] of +1 and -1."""
        if features.dim() != 2 or features.shape[1] != self.bits:
            raise ValueError(f"features are [B, {self.bits}], as many as the code words have bits; not {list(features.shape)}")
        return binary_sign(features)

    def forward(self, features: Tensor) -> Tensor:
        return F.linear(self.codes(features), self.weight)

    def frozen(self) -> nn.Module:
        """The same scores by fixed operators: what export writes."""
        linear = nn.Linear(self.bits, self.classes, bias=False)
        linear.weight.data = self.weight.detach().clone()
        return nn.Sequential(_Signs(), linear).eval()

    def extra_repr(self) -> str:
        return f"classes={self.classes}, bits={self.bits}, words={'fixed' if self.latent is None else 'learned'}"
