"""`progress=` of long calls: a function, a bar, or a class of bars."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any, Optional


def as_callback(progress: Any) -> Callable[[str, float], Optional[bool]]:
    if hasattr(progress, "update") and hasattr(progress, "set_description"):
        return _Bar(progress)
    if not callable(progress):
        raise TypeError(f"progress: wanted a function of (stage, part done) or a bar of tqdm's kind, got {type(progress).__name__}")
    return progress  # type: ignore[no-any-return]


class _Bar:
    """Each stage runs from 0 to the bar's total; a class of bars makes one of total 1 for each stage."""

    def __init__(self, bar: Any) -> None:
        self.make = bar if isinstance(bar, type) else None
        self.bar = None if self.make else bar
        self.stage: str | None = None
        self.done = 0.0

    def __call__(self, stage: str, done: float) -> None:
        if stage != self.stage:
            if self.make is not None:
                if self.bar is not None:
                    self.bar.close()
                self.bar = self.make(total=1.0)
            elif self.stage is not None:
                self.bar.update(-self.done * self.total)
            self.stage, self.done = stage, 0.0
            self.bar.set_description(stage)
        self.bar.update((done - self.done) * self.total)
        self.done = done
        if self.make is not None and done >= 1:
            self.bar.close()

    @property
    def total(self) -> float:
        return getattr(self.bar, "total", None) or 1.0
