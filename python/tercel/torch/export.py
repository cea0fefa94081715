"""The trained network as ONNX."""
import inspect
import warnings

import torch
from torch import Tensor, nn

from .codes import CodeWords
from .fold import fold
from .norm import replace_modules


def export(model: nn.Module, example: Tensor, path, *, opset: int = 17, input_name: str = "image",
           output_name: str = "scores") -> nn.Module:
    """Folds the model, writes it to path as ONNX, and returns the folded network.

    example: an input [B, ...]; the batch size stays open in the file. No normalisation is left but LayerNorms that were never
    converted, and CodeWords are the sign and a linear layer. Raises what fold does.
    """
    folded = fold(model)
    if isinstance(folded, CodeWords):
        folded = folded.frozen()
    replace_modules(folded, {id(words): words.frozen() for words in folded.modules() if isinstance(words, CodeWords)})
    # Parameters that take gradients keep nn.MultiheadAttention off its fused path, for which ONNX has no word.
    folded.requires_grad_(True)
    options = {"dynamo": False} if "dynamo" in inspect.signature(torch.onnx.export).parameters else {}
    with torch.enable_grad(), warnings.catch_warnings():
        # What PyTorch's attention decides by shapes, it decides the same for every batch size.
        warnings.simplefilter("ignore", torch.jit.TracerWarning)
        torch.onnx.export(folded, (example,), str(path), opset_version=opset, input_names=[input_name],
                          output_names=[output_name], dynamic_axes={name: {0: "batch"} for name in (input_name, output_name)},
                          **options)
    return folded
