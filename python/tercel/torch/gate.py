"""The way from LayerNorm (gate 1) to the fixed map (gate 0) in the course of training."""
import math

from torch import nn

from .norm import moving_norms

SHAPES = {"linear": lambda t: 1 - t, "cosine": lambda t: 0.5 * (1 + math.cos(math.pi * t))}


def set_gate(model: nn.Module, gate: float) -> None:
    """Sets the gate of every MovingLayerNorm: 1 is LayerNorm, 0 the fixed map."""
    if not 0 <= gate <= 1:
        raise ValueError(f"a gate is between 0 and 1; not {gate}")
    for norm in moving_norms(model).values():
        norm.gate.fill_(gate)


class GateSchedule:
    """Leads all gates from 1 at step `start` to exactly 0 at step `start + steps`, and leaves them there.

    shape: "linear" (PRepBN, arXiv 2405.11582) or "cosine" (TaperNorm, arXiv 2602.10408). Call step() after each step of training.
    Leave a good part of training behind the gate's end: what has to adapt to the fixed map can only then do so. The state of a
    schedule (state_dict) is its count of steps.
    """

    def __init__(self, model: nn.Module, steps: int, start: int = 0, shape: str = "linear"):
        if steps < 1 or start < 0:
            raise ValueError(f"a gate closes over 1 or more steps from step 0 or later; not over {steps} from {start}")
        if shape not in SHAPES:
            raise ValueError(f"shape is one of {', '.join(SHAPES)}; not {shape!r}")
        self.model, self.steps, self.start, self.shape = model, steps, start, shape
        self.taken = 0
        set_gate(model, self.gate)

    @property
    def gate(self) -> float:
        done = (self.taken - self.start) / self.steps
        return 1.0 if done <= 0 else 0.0 if done >= 1 else SHAPES[self.shape](done)

    def step(self) -> None:
        self.taken += 1
        set_gate(self.model, self.gate)

    def state_dict(self) -> dict:
        return {"taken": self.taken}

    def load_state_dict(self, state: dict) -> None:
        self.taken = int(state["taken"])
        set_gate(self.model, self.gate)
