"""What signatures call things. For type checkers; nothing here is needed to run."""
from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Optional, Protocol, Union

if TYPE_CHECKING:
    from ._tercel import Image


class DLPack(Protocol):
    """An array of any framework: PyTorch's tensors, NumPy's arrays."""

    def __dlpack__(self, *args: Any, **kwargs: Any) -> Any: ...

    def __dlpack_device__(self) -> Any: ...


class ImageLike(Protocol):
    """PIL.Image.Image."""

    def convert(self, *args: Any, **kwargs: Any) -> Any: ...

    def getbands(self) -> Any: ...

    def tobytes(self, *args: Any, **kwargs: Any) -> bytes: ...


class ProtoLike(Protocol):
    """onnx.ModelProto."""

    def SerializeToString(self, **kwargs: Any) -> bytes: ...


class ProgressBar(Protocol):
    """tqdm.tqdm."""

    def set_description(self, *args: Any, **kwargs: Any) -> Any: ...

    def update(self, *args: Any, **kwargs: Any) -> Any: ...


Path = Union[str, "os.PathLike[str]"]
ArrayLike = Union[DLPack, memoryview, bytes, bytearray]
Picture = Union[Path, bytes, DLPack, ImageLike, "Image"]
Pictures = Path
Source = Union[Path, bytes, bytearray, memoryview, ProtoLike]
Progress = Optional[Union[Callable[[str, float], Optional[bool]], ProgressBar, "type[ProgressBar]"]]
