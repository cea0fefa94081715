from __future__ import annotations

from typing import Any

from . import _tercel


def model(data: bytes, name: str) -> _tercel.Model:
    return _tercel.load(data, name=name)


def session(model: _tercel.Model, options: dict[str, Any]) -> _tercel.Session:
    return _tercel.Session(model, **options)
