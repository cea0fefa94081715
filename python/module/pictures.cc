#include "pictures.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nanobind/stl/array.h>
#include <nanobind/stl/filesystem.h>
#include <nanobind/stl/map.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/string_view.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <cstring>
#include <memory>

#include "arrays.h"
#include "paths.h"
#include "records.h"
#include "work.h"

namespace tercel::python {
namespace {

Image from_array(nb::handle object) {
  constexpr const char* kWanted =
      "a picture as an array is uint8, [height, width, 3] in r g b order, [.., 4] or [height, width]";
  nb::ndarray<nb::ro> array;
  bool found = false;
  try {
    found = nb::try_cast<nb::ndarray<nb::ro>>(object, array, false);
  } catch (nb::python_error&) {
  }
  PyErr_Clear();
  const bool bytes = found && array.dtype() == nb::dtype<uint8_t>() && array.device_type() == nb::device::cpu::value;
  if (!bytes || (array.ndim() != 2 && array.ndim() != 3)) refuse(fmt::format("{}; got {}", kWanted, described(object)));
  const size_t channels = array.ndim() == 2 ? 1 : array.shape(2);
  if (channels != 1 && channels != 3 && channels != 4) refuse(fmt::format("{}; got {} channels", kWanted, channels));
  if (array.shape(0) > Image::kMaxPixels || array.shape(1) > Image::kMaxPixels || array.size() == 0)
    refuse(fmt::format("{}; got {} x {}", kWanted, array.shape(0), array.shape(1)));
  Image image(static_cast<int>(array.shape(1)), static_cast<int>(array.shape(0)));
  const auto* data = static_cast<const uint8_t*>(array.data());
  const int64_t sy = array.stride(0), sx = array.stride(1), sc = channels == 1 ? 0 : array.stride(2);
  for (int y = 0; y < image.height(); ++y) {
    uint8_t* row = image.row(y);
    for (int x = 0; x < image.width(); ++x)
      for (int c = 0; c < 3; ++c) row[3 * x + c] = data[y * sy + x * sx + c * sc];
  }
  return image;
}

std::string to_word(Interpolation interpolation) {
  return interpolation == Interpolation::nearest    ? "nearest"
         : interpolation == Interpolation::bilinear ? "bilinear"
                                                    : "bicubic";
}

/// Settings as keywords become the keys of a model's metadata, so that both are read and checked by one reader.
struct Keywords {
  std::map<std::string, std::string> keys;

  void set(const char* key, const nb::object& value) {
    if (value.is_none()) return;
    const bool sequence = PySequence_Check(value.ptr()) != 0 && !nb::isinstance<nb::str>(value);
    std::string text;
    if (sequence)
      for (nb::handle item : value) text += (text.empty() ? "" : " ") + nb::cast<std::string>(nb::str(item));
    else text = nb::cast<std::string>(nb::str(value));
    keys[std::string("tercel.preprocess.") + key] = text;
  }
};

Preprocessing of_keywords(const nb::object& preset, const nb::object& width, const nb::object& height,
                          const nb::object& fit, const nb::object& resize, const nb::object& interpolation,
                          const nb::object& scale, const nb::object& mean, const nb::object& stddev,
                          const nb::object& channels, const nb::object& layout) {
  Keywords words;
  words.set("width", width);
  words.set("height", height);
  words.set("fit", fit);
  words.set("resize", resize);
  words.set("interpolation", interpolation);
  words.set("scale", scale);
  words.set("mean", mean);
  words.set("stddev", stddev);
  words.set("channels", channels);
  words.set("layout", layout);
  if (!preset.is_none()) words.keys["tercel.preprocess"] = nb::cast<std::string>(nb::str(preset));
  return Preprocessing::from_metadata(words.keys, Preprocessing());
}

std::vector<int64_t> input_dims(const Preprocessing& how) {
  const int64_t c = how.channels(), h = how.height, w = how.width;
  return how.channels_last ? std::vector<int64_t>{1, h, w, c} : std::vector<int64_t>{1, c, h, w};
}

nb::object preprocessed(const nb::object& picture, const nb::object& how, const nb::object& out) {
  const std::optional<Preprocessing> settings = to_preprocessing(how);
  if (!settings) refuse("preprocess: give a Preprocessing, the name of a preset, or a model");
  const Image image = to_image(picture);
  const std::vector<int64_t> dims = input_dims(*settings);
  if (!out.is_none()) {
    const HeldOutput held = held_output({"preprocess", DType::f32, dims, {}, true}, out);
    if (held.view.dims != dims)
      refuse(fmt::format("out: the picture becomes [{}], the array has another shape", fmt::join(dims, "x")));
    const nb::gil_scoped_release unlocked;
    preprocess(image, *settings, {reinterpret_cast<float*>(held.view.data), held.view.bytes() / sizeof(float)});
  }
  if (!out.is_none()) return out;
  Array array(DType::f32, dims);
  {
    const nb::gil_scoped_release unlocked;
    preprocess(image, *settings, array.floats());
  }
  return to_numpy(std::move(array));
}

nb::object pixels(const Image& image) {
  Array array(DType::u8, {image.height(), image.width(), 3});
  if (array.bytes() > 0) std::memcpy(array.data(), image.data(), array.bytes());
  return to_numpy(std::move(array));
}

}  // namespace

Image to_image(nb::handle picture) {
  if (nb::isinstance<Image>(picture)) return nb::cast<Image>(picture);
  if (nb::isinstance<nb::str>(picture) || nb::hasattr(picture, "__fspath__")) {
    const auto path = to_path(picture);
    const nb::gil_scoped_release unlocked;
    return Image::open(path);
  }
  if (nb::isinstance<nb::bytes>(picture)) {
    const auto bytes = nb::borrow<nb::bytes>(picture);
    const nb::gil_scoped_release unlocked;
    return Image::decode({static_cast<const std::byte*>(bytes.data()), bytes.size()});
  }
  // PIL.Image: palettes, alpha and the like as its convert() says.
  if (nb::hasattr(picture, "convert") && nb::hasattr(picture, "getbands") && nb::hasattr(picture, "tobytes")) {
    const nb::object rgb = picture.attr("convert")("RGB");
    Image image(nb::cast<int>(rgb.attr("width")), nb::cast<int>(rgb.attr("height")));
    const auto bytes = nb::cast<nb::bytes>(rgb.attr("tobytes")());
    const size_t wanted = static_cast<size_t>(image.width()) * static_cast<size_t>(image.height()) * 3;
    if (bytes.size() != wanted) refuse("the picture's pixels are not as many as its size says");
    std::memcpy(image.data(), bytes.data(), wanted);
    return image;
  }
  return from_array(picture);
}

std::optional<Preprocessing> to_preprocessing(nb::handle how) {
  if (how.is_none()) return std::nullopt;
  if (nb::isinstance<Preprocessing>(how)) return nb::cast<Preprocessing>(how);
  if (nb::isinstance<Model>(how)) return nb::cast<const Model&>(how).preprocessing();
  if (nb::isinstance<nb::str>(how)) return Preprocessing::preset(nb::cast<std::string>(how));
  refuse(fmt::format("preprocessing: wanted a Preprocessing, the name of a preset ({}), or a model; got {}",
                     fmt::join(Preprocessing::preset_names(), ", "), described(how)));
}

void bind_pictures(nb::module_& module) {
  nb::class_<Image>(module, "Image", "An 8-bit RGB picture.")
      .def(
          "__init__", [](Image* self, const nb::object& picture) { new (self) Image(to_image(picture)); },
          nb::arg("picture").none(), nb::sig("def __init__(self, picture: Picture) -> None"),
          "From a path, the bytes of a JPEG, PNG or WebP file, a PIL.Image, or an array of uint8, [height, width, 3]. "
          "Turned as EXIF says. Raises Error: not found, not a picture, cut short.")
      .def_prop_ro("width", &Image::width, "Pixels.")
      .def_prop_ro("height", &Image::height, "Pixels.")
      .def("pixels", &pixels, nb::sig("def pixels(self) -> numpy.typing.NDArray[numpy.uint8]"),
           "The pixels, [height, width, 3], a copy.")
      .def("__repr__", [](const Image& image) { return fmt::format("Image({} x {})", image.width(), image.height()); });

  nb::class_<Preprocessing>(module, "Preprocessing",
                            "How a picture becomes the input of a network: fit, then "
                            "input = (level * scale - mean) / stddev, level in 0..255.")
      .def(
          "__init__",
          [](Preprocessing* self, const nb::object& preset, const nb::object& width, const nb::object& height,
             const nb::object& fit, const nb::object& resize, const nb::object& interpolation, const nb::object& scale,
             const nb::object& mean, const nb::object& stddev, const nb::object& channels, const nb::object& layout) {
            new (self) Preprocessing(
                of_keywords(preset, width, height, fit, resize, interpolation, scale, mean, stddev, channels, layout));
          },
          nb::arg("preset") = nb::none(), nb::kw_only(), nb::arg("width") = nb::none(), nb::arg("height") = nb::none(),
          nb::arg("fit") = nb::none(), nb::arg("resize") = nb::none(), nb::arg("interpolation") = nb::none(),
          nb::arg("scale") = nb::none(), nb::arg("mean") = nb::none(), nb::arg("stddev") = nb::none(),
          nb::arg("channels") = nb::none(), nb::arg("layout") = nb::none(),
          nb::sig("def __init__(self, preset: str | None = None, *, width: int | None = None, height: int | None = "
                  "None, fit: Literal['shorter_side', 'stretch'] | None = None, resize: int | None = None, "
                  "interpolation: Literal['nearest', 'bilinear', 'bicubic'] | None = None, scale: float | None = None, "
                  "mean: Sequence[float] | float | None = None, stddev: Sequence[float] | float | None = None, "
                  "channels: Literal['rgb', 'bgr', 'grey'] | None = None, layout: Literal['chw', 'hwc'] | None = None) "
                  "-> None"),
          "From a preset (imagenet, vit, inception, cifar, caffe, unit, mnist) and settings that change it; what is "
          "left out is the preset's, else 224 x 224 of a shorter side of 256, bilinear, level / 255.\n\n"
          "width, height, resize: pixels, 1 to 8192. mean, stddev: in r g b order. Raises Error naming the setting.")
      .def_static("presets", &Preprocessing::preset_names, "The names of the presets.")
      .def_static(
          "from_metadata",
          [](const std::map<std::string, std::string>& metadata) {
            return Preprocessing::from_metadata(metadata, Preprocessing::preset("imagenet"));
          },
          nb::arg("metadata"), "From the keys tercel.preprocess.* of a model's metadata, over 'imagenet'.")
      .def("to_metadata", &Preprocessing::to_metadata, "The keys that from_metadata() reads back.")
      .def("describe", &Preprocessing::describe, "For people: 'vit', or all settings.")
      .def_ro("width", &Preprocessing::width, "Pixels of the input.")
      .def_ro("height", &Preprocessing::height, "Pixels of the input.")
      .def_prop_ro(
          "fit",
          [](const Preprocessing& p) { return p.fit == Preprocessing::Fit::stretch ? "stretch" : "shorter_side"; },
          "'shorter_side': to `resize`, then the centre; 'stretch': straight to the size.")
      .def_ro("resize", &Preprocessing::resize, "Pixels of the shorter side before the crop.")
      .def_prop_ro(
          "interpolation", [](const Preprocessing& p) { return to_word(p.interpolation); },
          "'nearest', 'bilinear' or 'bicubic'.")
      .def_ro("scale", &Preprocessing::scale, "Factor of levels.")
      .def_ro("mean", &Preprocessing::mean, "r g b.")
      .def_ro("stddev", &Preprocessing::stddev, "r g b.")
      .def_prop_ro(
          "channels", [](const Preprocessing& p) { return p.grey  ? "grey"
                                                          : p.bgr ? "bgr"
                                                                  : "rgb"; },
          "'rgb', 'bgr' or 'grey'.")
      .def_prop_ro(
          "layout", [](const Preprocessing& p) { return p.channels_last ? "hwc" : "chw"; }, "'chw' or 'hwc'.")
      .def(
          "__eq__", [](const Preprocessing& a, const Preprocessing& b) { return a == b; }, nb::is_operator())
      .def("__hash__", [](const Preprocessing& p) { return nb::hash(nb::str(nb::cast(p.to_metadata()))); })
      .def("__repr__", [](const Preprocessing& p) { return fmt::format("Preprocessing({})", p.describe()); })
      .def("__getstate__", &Preprocessing::to_metadata)
      .def("__setstate__", [](Preprocessing& self, const std::map<std::string, std::string>& keys) {
        new (&self) Preprocessing(Preprocessing::from_metadata(keys, Preprocessing()));
      });

  module.def("preprocess", &preprocessed, nb::arg("picture").none(), nb::arg("how").none(), nb::kw_only(),
             nb::arg("out") = nb::none(),
             nb::sig("def preprocess(picture: Picture, how: Preprocessing | Model | str, *, out: ArrayLike | None = "
                     "None) -> numpy.typing.NDArray[numpy.float32]"),
             "A picture as the input of a network: float32, [1, 3, height, width] ([1, height, width, 3] where the "
             "layout is 'hwc', one channel where it is grey), as torchvision and Pillow would make it.\n\n"
             "picture: a path, bytes of a file, PIL.Image, Image, or an array of uint8, [height, width, 3].\n"
             "how: a Preprocessing, the name of a preset, or a model. out: an array to write into; it is returned.\n"
             "Raises Error for what is no picture.");
}

}  // namespace tercel::python
