"""Preprocessing as timm, torchvision and Hugging Face write it down, as a tercel.Preprocessing.

    model = tercel.load("vit.onnx").with_preprocessing(from_timm(net.pretrained_cfg))

What Tercel would do otherwise than they do is refused, never approximated. Equal to theirs within one level of a picture's 256.
"""
from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from typing import Any

from ._error import Error
from ._tercel import Preprocessing

__all__ = ["from_huggingface", "from_timm", "from_torchvision"]

_PIL = {0: "nearest", 2: "bilinear", 3: "bicubic"}  # the numbers of PIL.Image.Resampling


def _interpolation(where: str, word: Any) -> Any:
    name = str(getattr(word, "value", word)).lower()
    if name not in _PIL.values():
        raise Error(f"{where}: interpolation '{name}' is none of nearest, bilinear, bicubic", "unsupported")
    return name


def _sides(where: str, size: Any) -> tuple[int, int]:
    """Height and width: of a number, a pair, or a dict."""
    if isinstance(size, Mapping):
        if "height" in size and "width" in size:
            return int(size["height"]), int(size["width"])
        if "shortest_edge" in size:
            return int(size["shortest_edge"]), int(size["shortest_edge"])
        raise Error(f"{where}: {dict(size)} has neither height and width nor shortest_edge")
    if isinstance(size, Sequence) and not isinstance(size, str):
        return (int(size[0]), int(size[0])) if len(size) == 1 else (int(size[-2]), int(size[-1]))
    return int(size), int(size)


def _square(where: str, size: Any) -> int:
    height, width = _sides(where, size)
    if height != width:
        raise Error(f"{where}: {height} x {width}: only a square is resized by its shorter side", "unsupported")
    return height


def from_timm(config: Any) -> Preprocessing:
    """From `model.pretrained_cfg` (a dict or timm's PretrainedCfg), as timm.data.create_transform(is_training=False) of it.

    Raises Error for a crop_mode, size or interpolation that Tercel does not have.
    """
    found = config if isinstance(config, Mapping) else config.to_dict()
    height, width = _sides("input_size", found.get("input_size", (3, 224, 224)))
    crop = found.get("crop_pct") or 0.875
    mode = found.get("crop_mode") or "center"
    interpolation = _interpolation("timm", found.get("interpolation") or "bilinear")
    mean, stddev = found.get("mean", (0.485, 0.456, 0.406)), found.get("std", (0.229, 0.224, 0.225))
    if mode == "squash" and crop == 1:
        return Preprocessing(width=width, height=height, fit="stretch", interpolation=interpolation, mean=mean, stddev=stddev)
    if mode != "center":
        raise Error(f"timm: crop_mode '{mode}' with crop_pct {crop:g}: Tercel has 'center', and 'squash' with 1", "unsupported")
    if height != width:
        raise Error(f"timm: input_size {height} x {width} with crop_mode 'center' is not square", "unsupported")
    return Preprocessing(width=width, height=height, resize=math.floor(height / crop), interpolation=interpolation, mean=mean,
                         stddev=stddev)


def from_torchvision(transforms: Any) -> Preprocessing:
    """From `weights.transforms()`: torchvision's ImageClassification.

    Raises Error for other transforms.
    """
    missing = [name for name in ("crop_size", "resize_size", "mean", "std", "interpolation") if not hasattr(transforms, name)]
    if missing:
        raise Error(f"torchvision: {type(transforms).__name__} has no {missing[0]}; wanted weights.transforms() of a classifier",
                    "unsupported")
    if transforms.interpolation.value != "nearest" and getattr(transforms, "antialias", True) is False:
        raise Error("torchvision: antialias=False, which differs from what PIL images get", "unsupported")
    height, width = _sides("crop_size", transforms.crop_size)
    return Preprocessing(width=width, height=height, resize=_square("resize_size", transforms.resize_size),
                         interpolation=_interpolation("torchvision", transforms.interpolation), mean=list(transforms.mean),
                         stddev=list(transforms.std))


def from_huggingface(config: Any) -> Preprocessing:
    """From preprocessor_config.json: its path, the folder it lies in, its content as a dict, or an image processor.

    Raises Error for steps that Tercel does not have (padding, crops that are not centred, no resize).
    """
    if hasattr(config, "to_dict"):
        config = config.to_dict()
    if not isinstance(config, Mapping):
        path = os.fspath(config)
        if os.path.isdir(path):
            path = os.path.join(path, "preprocessor_config.json")
        try:
            with open(path, encoding="utf-8") as file:
                config = json.load(file)
        except OSError as error:
            raise Error(f"{path}: {error.strerror}", "not_found") from error
        except ValueError as error:
            raise Error(f"{path}: no JSON: {error}") from error
        if not isinstance(config, Mapping):
            raise Error(f"{path}: wanted an object")
    kind = str(config.get("image_processor_type") or config.get("feature_extractor_type") or "")
    for step in ("do_pad", "do_reduce_labels", "do_flip_channel_order"):
        if config.get(step):
            raise Error(f"Hugging Face: {step} is no step of Tercel's", "unsupported")
    if config.get("do_resize") is False or "size" not in config:
        raise Error("Hugging Face: without resize pictures of any size would be inputs", "unsupported")
    number = config.get("resample", 2)
    if number not in _PIL:
        raise Error(f"Hugging Face: resample {number} is none of {', '.join(f'{n} ({name})' for n, name in _PIL.items())}", "unsupported")
    settings: dict[str, Any] = {"interpolation": _PIL[number]}
    settings["scale"] = float(config.get("rescale_factor", 1 / 255)) if config.get("do_rescale", True) else 1.0
    if config.get("do_normalize", True):
        settings["mean"], settings["stddev"] = config["image_mean"], config["image_std"]
    size = config["size"]
    shortest = isinstance(size, Mapping) and "shortest_edge" in size
    if "ConvNext" in kind:
        side = _square("size", size)
        crop = float(config.get("crop_pct") or 224 / 256)
        if side >= 384:
            return Preprocessing(width=side, height=side, fit="stretch", **settings)
        return Preprocessing(width=side, height=side, resize=int(side / crop), **settings)
    crops = config.get("do_center_crop", False)
    if isinstance(size, int) and crops:  # older files of CLIP and its kin
        shortest = True
    if shortest:
        if not crops:
            raise Error("Hugging Face: shortest_edge without do_center_crop leaves pictures of any size", "unsupported")
        height, width = _sides("crop_size", config["crop_size"])
        return Preprocessing(width=width, height=height, resize=_square("size", size), **settings)
    height, width = _sides("size", size)
    if crops and _sides("crop_size", config["crop_size"]) != (height, width):
        raise Error("Hugging Face: a crop after resizing to height and width is no step of Tercel's", "unsupported")
    return Preprocessing(width=width, height=height, fit="stretch", **settings)
