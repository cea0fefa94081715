#include "onnx/tensor_proto.h"

#include <charconv>
#include <map>

#include "base/error.h"
#include "base/file.h"
#include "onnx/proto.h"

namespace tercel::onnx {
namespace {

namespace fs = std::filesystem;

struct External {
  std::string location;
  int64_t offset = 0;
  int64_t length = -1;
};

int64_t parse_count(std::string_view text, const char* key) {
  int64_t value = -1;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
  if (result.ec != std::errc() || result.ptr != text.data() + text.size() || value < 0)
    fail_input("external data: {} is '{}', wanted a count of bytes", key, text);
  return value;
}

void read_external_entry(protozero::pbf_message<EntryField> entry, External& external) {
  std::string key, value;
  while (entry.next()) {
    switch (entry.tag()) {
      case EntryField::key: key = entry.get_string(); break;
      case EntryField::value: value = entry.get_string(); break;
      default: entry.skip();
    }
  }
  if (key == "location") external.location = value;
  else if (key == "offset") external.offset = parse_count(value, "offset");
  else if (key == "length") external.length = parse_count(value, "length");
}

Tensor read_external(DType dtype, Dims dims, const External& external, const TensorSource& source) {
  if (source.folder.empty())
    fail_unsupported("its elements are in another file, '{}', which cannot be followed from here", external.location);
  const fs::path relative = fs::path(external.location).lexically_normal();
  const auto refuse = [&] { fail_input("external data '{}' lies outside the model's folder", external.location); };
  if (external.location.empty() || relative.is_absolute() || *relative.begin() == "..") refuse();
  // A link inside the folder must not lead out of it either.
  std::error_code error;
  const fs::path root = fs::canonical(source.folder, error);
  if (error) fail(ErrorCode::io, "{}: {}", source.folder.string(), error.message());
  const fs::path path = fs::canonical(root / relative, error);
  if (error) fail(ErrorCode::not_found, "external data {}: {}", (root / relative).string(), error.message());
  const fs::path below = path.lexically_relative(root);
  if (below.empty() || *below.begin() == "..") refuse();

  const auto file = MappedFile::open(path);
  const int64_t wanted = count_elements(dims) * static_cast<int64_t>(size_of(dtype));
  if (external.length >= 0 && external.length != wanted)
    fail_input("external data holds {} bytes, shape {} of {} needs {}", external.length, to_string(dims),
               to_string(dtype), wanted);
  const int64_t size = static_cast<int64_t>(file->bytes().size());
  if (external.offset > size || wanted > size - external.offset)
    fail_input("external data {} has {} bytes, wanted {} from {}", external.location, size, wanted, external.offset);
  if (source.found) source.found(path, size);
  const std::byte* data = file->bytes().data() + external.offset;
  return Tensor(dtype, std::move(dims), data, file, true);
}

// Typed data: each ONNX type has one field it may come in, several types share int32_data and uint64_data.
struct Typed {
  DType dtype;
  int64_t count;
  Tensor tensor;
  int64_t filled = 0;

  template <typename From>
  void put(From value) {
    if (filled >= count) fail_input("more elements than its shape has ({})", count);
    visit_dtype(dtype, [&](auto tag) {
      using T = typename decltype(tag)::type;
      T* place = reinterpret_cast<T*>(tensor.mutable_data()) + filled;
      if constexpr (std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>) place->bits = static_cast<uint16_t>(value);
      else if constexpr (std::is_same_v<T, Bool>) *place = Bool(value != From(0));
      else *place = static_cast<T>(value);
    });
    ++filled;
  }
};

bool field_fits(TensorField field, DType dtype) {
  switch (field) {
    case TensorField::float_data: return dtype == DType::f32;
    case TensorField::double_data: return dtype == DType::f64;
    case TensorField::int64_data: return dtype == DType::i64;
    case TensorField::uint64_data: return dtype == DType::u64 || dtype == DType::u32;
    default:
      return dtype != DType::f32 && dtype != DType::f64 && dtype != DType::i64 && dtype != DType::u64 &&
             dtype != DType::u32;
  }
}

/// A repeated scalar stands packed in one field, or one field an element.
template <typename Packed, typename Single, typename Sink>
void each(protozero::pbf_message<TensorField>& m, protozero::pbf_wire_type single_type, Packed packed, Single single,
          Sink sink) {
  if (m.wire_type() == single_type) {
    sink(single());
    return;
  }
  for (auto value : packed()) sink(value);
}

}  // namespace

NamedTensor read_tensor(protozero::pbf_reader message, const TensorSource& source) {
  using protozero::pbf_wire_type;
  // First what the elements are, then the elements: fields may come in any order.
  NamedTensor result;
  Dims dims;
  int32_t data_type = 0;
  bool raw = false, external_location = false;
  protozero::data_view raw_data;
  External external;
  for (protozero::pbf_message<TensorField> m(message); m.next();) {
    switch (m.tag()) {
      case TensorField::dims:
        each(
            m, pbf_wire_type::varint, [&] { return m.get_packed_int64(); }, [&] { return m.get_int64(); },
            [&](int64_t d) { dims.push_back(d); });
        break;
      case TensorField::data_type: data_type = m.get_int32(); break;
      case TensorField::name: result.name = m.get_string(); break;
      case TensorField::raw_data:
        raw_data = m.get_view();
        raw = true;
        break;
      case TensorField::external_data: read_external_entry(m.get_message(), external); break;
      case TensorField::data_location: external_location = m.get_enum() == 1; break;
      case TensorField::segment: fail_unsupported("tensor '{}' comes in segments", result.name);
      default: m.skip();
    }
  }
  return at_place(
      [&] { return fmt::format("tensor '{}'", result.name); },
      [&]() -> NamedTensor {
        const DType dtype = dtype_from_onnx(data_type);
        if (dtype == DType::none) fail_unsupported("elements of type {} ({})", onnx_type_name(data_type), data_type);
        const int64_t count = count_elements(dims);
        const int64_t wanted = count * static_cast<int64_t>(size_of(dtype));
        if (external_location && source.elsewhere) {
          result.tensor = source.elsewhere(result.name, external.location, dtype, dims);
          TERCEL_CHECK(result.tensor.dtype() == dtype && result.tensor.dims() == dims);
          return std::move(result);
        }
        if (external_location) {
          result.tensor = read_external(dtype, std::move(dims), external, source);
          return std::move(result);
        }
        if (raw) {
          if (static_cast<int64_t>(raw_data.size()) != wanted)
            fail_input("has {} bytes, shape {} of {} needs {}", raw_data.size(), to_string(dims), to_string(dtype),
                       wanted);
          result.tensor = Tensor(dtype, std::move(dims), reinterpret_cast<const std::byte*>(raw_data.data()),
                                 source.owner, source.mapped);
          return std::move(result);
        }
        // Every element takes at least one byte of the message: a larger claim is not believed.
        if (count > static_cast<int64_t>(message.data().size()))
          fail_input("shape {} promises {} elements, but they are not there", to_string(dims), count);
        Typed typed{dtype, count, Tensor(dtype, std::move(dims))};
        const auto sink = [&](auto value) { typed.put(value); };
        for (protozero::pbf_message<TensorField> m(message); m.next();) {
          const TensorField field = m.tag();
          switch (field) {
            case TensorField::float_data:
            case TensorField::int32_data:
            case TensorField::int64_data:
            case TensorField::double_data:
            case TensorField::uint64_data:
              if (!field_fits(field, dtype)) fail_input("elements of {} stand in the wrong field", to_string(dtype));
              break;
            case TensorField::string_data: fail_unsupported("elements are strings");
            default: m.skip(); continue;
          }
          switch (field) {
            case TensorField::float_data:
              each(
                  m, pbf_wire_type::fixed32, [&] { return m.get_packed_float(); }, [&] { return m.get_float(); }, sink);
              break;
            case TensorField::double_data:
              each(
                  m, pbf_wire_type::fixed64, [&] { return m.get_packed_double(); }, [&] { return m.get_double(); },
                  sink);
              break;
            case TensorField::int64_data:
              each(
                  m, pbf_wire_type::varint, [&] { return m.get_packed_int64(); }, [&] { return m.get_int64(); }, sink);
              break;
            case TensorField::uint64_data:
              each(
                  m, pbf_wire_type::varint, [&] { return m.get_packed_uint64(); }, [&] { return m.get_uint64(); },
                  sink);
              break;
            default:
              each(
                  m, pbf_wire_type::varint, [&] { return m.get_packed_int32(); }, [&] { return m.get_int32(); }, sink);
          }
        }
        if (typed.filled != count)
          fail_input("has {} elements, shape {} needs {}", typed.filled, to_string(typed.tensor.dims()), count);
        result.tensor = std::move(typed.tensor);
        return std::move(result);
      });
}

NamedTensor read_tensor_file(const fs::path& path) {
  return at_place([&] { return path.string(); },
                  [&] {
                    const auto file = MappedFile::open(path);
                    const auto bytes = file->bytes();
                    try {
                      return read_tensor(
                          protozero::pbf_reader(reinterpret_cast<const char*>(bytes.data()), bytes.size()),
                          {file, true, {}});
                    } catch (const protozero::exception& error) {
                      fail_input("not a TensorProto, or cut short ({})", error.what());
                    }
                  });
}

namespace {

protozero::pbf_writer write_tensor_head(std::string& out, std::string_view name, const Tensor& tensor) {
  protozero::pbf_writer writer(out);
  const Dims& dims = tensor.dims();
  writer.add_packed_int64(static_cast<uint32_t>(TensorField::dims), dims.begin(), dims.end());
  writer.add_int32(static_cast<uint32_t>(TensorField::data_type), dtype_to_onnx(tensor.dtype()));
  writer.add_string(static_cast<uint32_t>(TensorField::name), name.data(), name.size());
  return writer;
}

}  // namespace

void write_tensor(std::string& out, std::string_view name, const Tensor& tensor) {
  write_tensor_head(out, name, tensor)
      .add_bytes(static_cast<uint32_t>(TensorField::raw_data), reinterpret_cast<const char*>(tensor.data()),
                 tensor.bytes());
}

void write_tensor_elsewhere(std::string& out, std::string_view name, const Tensor& tensor, std::string_view location) {
  protozero::pbf_writer writer = write_tensor_head(out, name, tensor);
  {
    protozero::pbf_builder<EntryField> entry(writer, static_cast<uint32_t>(TensorField::external_data));
    entry.add_string(EntryField::key, "location");
    entry.add_string(EntryField::value, location.data(), location.size());
  }
  writer.add_enum(static_cast<uint32_t>(TensorField::data_location), 1);
}

void write_tensor_file(const fs::path& path, const NamedTensor& tensor) {
  std::string message;
  write_tensor(message, tensor.name, tensor.tensor);
  AtomicFile file(path);
  file.write(message);
  file.commit();
}

}  // namespace tercel::onnx
