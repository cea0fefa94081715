#include "onnx/other_formats.h"

#include <cstring>
#include <string_view>

#include "base/error.h"

namespace tercel::onnx {
namespace {

struct Format {
  size_t at;  ///< of `bytes` in the file
  std::string_view bytes;
  std::string_view name, what_to_do;
};

constexpr std::string_view kFromPyTorch =
    "load it in PyTorch and write it with torch.onnx.export(model, example, 'model.onnx')";

// No ONNX file starts so: its first byte is the key of a field of ModelProto, nearly always 08.
constexpr Format kFormats[] = {
    {0, "PK\x03\x04", "a ZIP archive, as PyTorch (.pt, .pth), Keras (.keras) and NumPy (.npz) write them",
     "if it is a PyTorch model, load it there and write it with torch.onnx.export(model, example, 'model.onnx')"},
    {0, "\x80\x02", "a Python pickle, as older PyTorch (.pt, .pth) writes it", kFromPyTorch},
    {4, "TFL3", "a TensorFlow Lite model (.tflite)",
     "convert it with tf2onnx: python -m tf2onnx.convert --tflite model.tflite --output model.onnx"},
    {0, "\x89HDF\r\n", "an HDF5 file, as Keras (.h5) writes it",
     "convert it with tf2onnx (tf2onnx.convert.from_keras)"},
    {4, "ORTM", "an ONNX Runtime model (.ort)", "take the ONNX file that it was made from"},
    {0, "GGUF", "a GGUF file of a language model", "Tercel runs vision networks in ONNX"},
    {0, "\x93NUMPY", "a NumPy array (.npy)", "arrays are inputs: tercel run MODEL --input FILE"},
    {0, "7767517", "an ncnn model", "take the ONNX file that it was made from"},
    {0, "<?xml", "an XML file, as OpenVINO (.xml) writes it", "take the ONNX file that it was made from"},
    {0, "<!DOCTYPE", "a web page", "the download went wrong"},
    {0, "<!doctype", "a web page", "the download went wrong"},
    {0, "<html", "a web page", "the download went wrong"},
    {0, "version https://git-lfs", "a Git LFS pointer, not the model itself", "fetch it with: git lfs pull"},
    {0, "\x1F\x8B", "a gzip archive", "unpack it first"},
    {0, "\x28\xB5\x2F\xFD", "a zstd archive", "unpack it first"},
    {0, "\xFF\xD8\xFF", "a JPEG picture", "the model comes first: tercel classify MODEL PICTURE"},
    {0, "\x89PNG", "a PNG picture", "the model comes first: tercel classify MODEL PICTURE"},
};

bool has(std::span<const std::byte> bytes, size_t at, std::string_view text) {
  return bytes.size() >= at + text.size() && std::memcmp(bytes.data() + at, text.data(), text.size()) == 0;
}

/// Eight bytes of length, then a JSON object.
bool is_safetensors(std::span<const std::byte> bytes) {
  if (bytes.size() < 10 || !(has(bytes, 8, "{\"") || has(bytes, 8, "{}"))) return false;
  uint64_t length = 0;
  for (size_t i = 8; i-- > 0;) length = length << 8 | static_cast<uint64_t>(bytes[i]);
  return length >= 2 && length <= bytes.size() - 8;
}

}  // namespace

void refuse_other_formats(std::span<const std::byte> bytes) {
  for (const Format& format : kFormats)
    if (has(bytes, format.at, format.bytes)) fail_input("not an ONNX model but {}; {}", format.name, format.what_to_do);
  if (is_safetensors(bytes))
    fail_input(
        "not an ONNX model but safetensors: weights without a network; build the network in PyTorch, load "
        "them and write it with torch.onnx.export(model, example, 'model.onnx')");
}

}  // namespace tercel::onnx
