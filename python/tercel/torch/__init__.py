"""Training for Tercel: Vision Transformers whose LayerNorm costs nothing once they are trained, and features that are codes for a
memory (CodeWords, codes.py). Needs PyTorch 1.13 or newer.

LayerNorm computes a mean and a deviation for every token, when the network runs. Here those moments are kept while the network
trains, a gate leads from LayerNorm to a fixed map built of them, and the fixed map is merged into the linear layer beside it:

    from tercel.torch import GateSchedule, calibrate, convert, export
    convert(model, "position", example=images[:1], skip=["norm"])   # exact so far: the gate is at 1
    calibrate(model, some_batches)                                  # moments of the trained network
    schedule = GateSchedule(model, steps=600)
    for images, labels in loader:
        ...                                                         # a usual step of training
        schedule.step()                                             # the gate is at 0 after 600 of them
    export(model, images[:1], "model.onnx")                         # folds, writes ONNX

Shapes: B pictures, N tokens, D channels. Tokens are the second axis from the end, channels the last.
"""
from .codes import CodeWords, binary_sign, hadamard_words
from .distill import distillation_loss
from .export import export
from .fold import Affine, fold
from .gate import GateSchedule, set_gate
from .norm import MovingLayerNorm, calibrate, convert
from .reconstruct import Tuned, reconstruct

__all__ = ["Affine", "CodeWords", "GateSchedule", "MovingLayerNorm", "Tuned", "binary_sign", "calibrate", "convert",
           "distillation_loss", "export", "fold", "hadamard_words", "reconstruct", "set_gate"]
