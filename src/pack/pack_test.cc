#include "pack/pack.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <limits>

#include "base/file.h"
#include "base/rng.h"
#include "codec/crc32.h"
#include "codec/syntax/fields.h"
#include "codec/trellis.h"
#include "graph/infer.h"
#include "pack/exact.h"
#include "pack/file_fields.h"
#include "tensor/narrow.h"
#include "tercel/error.h"

namespace tercel::pack {
namespace {

using testing::AllOf;
using testing::HasSubstr;

std::shared_ptr<codec::QuantizedMatrix> random_matrix(int64_t rows, int64_t columns, int64_t kernel, uint64_t seed) {
  Rng rng(seed);
  auto matrix = std::make_shared<codec::QuantizedMatrix>();
  matrix->rows = rows;
  matrix->columns = columns;
  matrix->kernel_height = kernel;
  matrix->step = 0.125f;
  for (int64_t i = 0; i < rows * columns; ++i) matrix->levels.push_back(static_cast<int32_t>(rng.below(7)) - 3);
  return matrix;
}

Tensor as_tensor(const codec::QuantizedMatrix& matrix, Dims dims) {
  return Tensor::of<float>(std::move(dims), dequantize(matrix));
}

Tensor as_transposed_tensor(const codec::QuantizedMatrix& matrix) {
  const std::vector<float> rows = dequantize(matrix);
  std::vector<float> turned(rows.size());
  for (int64_t r = 0; r < matrix.rows; ++r)
    for (int64_t c = 0; c < matrix.columns; ++c)
      turned[static_cast<size_t>(c * matrix.rows + r)] = rows[static_cast<size_t>(r * matrix.columns + c)];
  return Tensor::of<float>({matrix.columns, matrix.rows}, turned);
}

/// A network with a constant of every kind of coding.
struct Example {
  Example() {
    Value* x = graph.add_input("x", {DType::f32, true, {2, 6}});
    auto product = random_matrix(5, 6, 1, 1);  // stored transposed
    product->column_class = {0, 1, 2, 3, 4, 15};
    Value* w = graph.add_constant("w", as_transposed_tensor(*product));
    codings["w"] = CodedMatrix{product, true};
    auto scaled = random_matrix(5, 4, 1, 2);
    scaled->row_class = {9, 0, 3, 2, 15};
    scaled->column_class = {1, 0, 0, 15};
    Value* v = graph.add_constant("v", as_tensor(*scaled, {5, 4}));
    codings["v"] = CodedMatrix{scaled, false};
    std::vector<float> bias;
    const std::vector<int32_t> levels{3, -2, 0, 100};
    for (int32_t level : levels) bias.push_back(static_cast<float>(level) * codec::step_of(170));
    auto kernels = random_matrix(4, 12, 3, 3);
    kernels->kernel_width = 2;
    kernels->row_class = {0, 3, 1, 0};
    codec::KernelBasis basis{6, {}};
    for (int i = 0; i < 36; ++i) basis.entries.push_back(static_cast<int8_t>(i % 7 == 0 ? -128 : 3 * i - 60));
    kernels->basis = std::make_shared<const codec::KernelBasis>(basis);
    kernels->coefficients = {{0, 15}, {3, 2}, {1, 1}, {15, 0}, {2, 2}, {0, 0}};
    Value* k = graph.add_constant("k", as_tensor(*kernels, {4, 12}));
    codings["k"] = CodedMatrix{kernels, false};
    auto others = random_matrix(5, 12, 2, 4);  // with the same basis and no classes of rows
    others->kernel_width = 3;
    others->basis = kernels->basis;
    others->coefficients = {{0, 0}, {0, 1}, {0, 2}, {0, 3}, {0, 4}, {0, 5}};
    Value* o = graph.add_constant("o", as_transposed_tensor(*others));
    codings["o"] = CodedMatrix{others, true};
    auto pruned = random_matrix(5, 40, 5, 1);
    for (size_t i = 0; i < pruned->levels.size(); ++i)
      if (i / 40 != 3 || i % 2 == 0) pruned->levels[i] = 0;
    Value* p = graph.add_constant("p", as_tensor(*pruned, {5, 40}));
    codings["p"] = CodedMatrix{pruned, false};
    Value* b = graph.add_constant("b", Tensor::of<float>({4}, bias));
    codings["b"] = CodedVector{170, levels};
    const float nan = std::numeric_limits<float>::quiet_NaN();
    Value* exact = graph.add_constant("exact", Tensor::of<float>({2, 4}, {1, -0.0f, nan, 4e-42f, 5, 6, -1e38f, 8}));
    codings["exact"] = Lossless{};
    Value* indices = graph.add_constant("indices", Tensor::of<int64_t>({2}, {1, 0}));  // bytes of another type
    codings["indices"] = Lossless{};
    Value* inside = graph.add_constant("inside", Tensor::scalar<float>(0.3f));
    const auto next = [&](std::string_view op, Value* a, Value* c, std::string_view name) {
      Value* y = graph.add_value(name);
      graph.add_node(op, {a, c}, {y});
      return y;
    };
    Value* y = next("MatMul", x, w, "y1");
    y = next("MatMul", y, v, "y2");
    y = next("Add", y, b, "y3");
    y = next("Add", y, exact, "y4");
    y = next("Mul", y, inside, "y5");
    y = next("Gather", y, indices, "y6");
    y = next("MatMul", y, k, "y7");
    y = next("MatMul", y, o, "y8");
    y = next("MatMul", y, p, "y9");
    add_other_types();
    graph.add_output(y);
    graph.metadata["key"] = "value";
    infer_types(graph);
  }
  /// Since version 5.
  void add_other_types() {
    Rng rng(7);
    const auto add = [&](const char* name, Tensor tensor, Coding coding) {
      graph.add_output(graph.add_constant(name, std::move(tensor)));
      codings[name] = std::move(coding);
    };
    const auto narrowed = [](const Tensor& tensor, DType dtype) {
      Tensor out(dtype, tensor.dims());
      narrow(to_floats(tensor), dtype, out.mutable_data());
      return out;
    };
    for (DType dtype : {DType::f16, DType::bf16, DType::f64}) {
      const std::string type(to_string(dtype));
      auto levels = random_matrix(6, 8, 1, 11);
      levels->column_class = {0, 1, 2, 3, 4, 5, 6, 15};
      add((type + "_matrix").c_str(), narrowed(as_tensor(*levels, {6, 8}), dtype), CodedMatrix{levels, false});
      add((type + "_turned").c_str(), narrowed(as_transposed_tensor(*levels), dtype), CodedMatrix{levels, true});
      const std::vector<int32_t> few{1, -7, 0};
      const float step = codec::step_of(188);
      add((type + "_vector").c_str(), narrowed(Tensor::of<float>({3}, {step, -7 * step, 0}), dtype),
          CodedVector{188, few});
    }
    // Every bit: planes of each width, and integers.
    std::vector<int8_t> weights;
    std::vector<uint8_t> unsigned_weights;
    std::vector<uint16_t> bits;
    std::vector<double> doubles;
    std::vector<int64_t> numbers;
    for (int i = 0; i < 288; ++i) weights.push_back(static_cast<int8_t>(std::clamp(12 * rng.normal(), -128.0, 127.0)));
    for (int i = 0; i < 200; ++i) numbers.push_back(rng.below(200));
    for (int i = 0; i < 144; ++i) {
      unsigned_weights.push_back(static_cast<uint8_t>(weights[static_cast<size_t>(i)] + 128));
      bits.push_back(static_cast<uint16_t>(0x3000 + rng.below(0x400)));
    }
    for (int i = 0; i < 16; ++i) doubles.push_back(rng.normal());
    weights[5] = -128;
    unsigned_weights[5] = 255;
    bits[3] = 0x7E01;  // a NaN with something to say
    bits[4] = 0x8000;
    Tensor halves(DType::f16, {144});
    std::memcpy(halves.mutable_data(), bits.data(), halves.bytes());
    add("weights8", Tensor::of<int8_t>({8, 4, 3, 3}, weights), Lossless{});
    add("unsigned8", Tensor::of<uint8_t>({4, 36}, unsigned_weights), Lossless{});
    add("halves", halves, Lossless{});
    add("doubles", Tensor::of<double>({16}, doubles), Lossless{});
    add("numbers", Tensor::of<int64_t>({200}, numbers), Lossless{});
  }

  Graph graph;
  std::map<std::string, Coding> codings;
};

onnx::ReadResult read_text(std::string_view bytes) {
  return read(std::as_bytes(std::span(bytes.data(), bytes.size())));
}

std::string error_of(std::string_view bytes) {
  try {
    read_text(bytes);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(Pack, EveryConstantComesBackAsItWasCoded) {
  for (codec::Profile profile : {codec::Profile::max, codec::Profile::balanced, codec::Profile::fast}) {
    const Example example;
    codec::EncodeOptions options;
    options.profile = profile;
    const std::string file = write(example.graph, example.codings, options);
    EXPECT_EQ(write(example.graph, example.codings, options), file);
    const onnx::ReadResult result = read_text(file);
    EXPECT_EQ(result.graph.metadata.at("key"), "value");
    EXPECT_EQ(result.graph.nodes().size(), example.graph.nodes().size());
    for (const auto& value : example.graph.values())
      if (value->is_constant()) {
        EXPECT_TRUE(result.graph.find_value(value->name)->constant == value->constant) << value->name;
      }
  }
}

TEST(Pack, ConstantsOfOtherTypesTakeFewerBytesThanTheirElements) {
  const Example example;
  for (const char* name : {"weights8", "unsigned8", "halves", "numbers"}) {
    const Tensor& constant = example.graph.find_value(name)->constant;
    EXPECT_LT(lossless_bytes(constant), static_cast<int64_t>(constant.bytes())) << name;
  }
  const Exact integers = code_exactly(example.graph.find_value("weights8")->constant, {});
  EXPECT_EQ(integers.kind, RecordKind::integers);
  // What no coder makes smaller stays where it is.
  Rng rng(3);
  std::vector<uint8_t> noise(4096);
  for (uint8_t& x : noise) x = static_cast<uint8_t>(rng.below(256));
  EXPECT_TRUE(code_exactly(Tensor::of<uint8_t>({64, 64}, noise), {}).in_graph);
}

TEST(Pack, TheVersionIsTheLeastThatTheFileNeeds) {
  Example example;
  EXPECT_EQ(write(example.graph, example.codings)[8], 5);
  std::erase_if(example.codings, [&](const auto& coding) {
    return example.graph.find_value(coding.first)->constant.dtype() != DType::f32;
  });
  EXPECT_EQ(write(example.graph, example.codings)[8], 3);
}

/// The file as one of another version, its checksum made right.
std::string as_version(std::string file, char version) {
  file[8] = version;
  const auto all = std::as_bytes(std::span(file.data(), file.size()));
  codec::FieldReader fields(all.subspan(9));
  FileHead head;
  visit_file_head(fields, head);
  const size_t at = all.size() - fields.rest().size();
  const auto covered = static_cast<size_t>(head.graph_bytes + head.directory_bytes);
  const uint32_t crc = codec::crc32(all.subspan(at + 4, covered), codec::crc32(all.first(at)));
  for (size_t i = 0; i < 4; ++i) file[at + i] = static_cast<char>(crc >> (8 * i));
  return file;
}

TEST(Pack, OlderVersionsHaveNoLevelsOfOtherTypes) {
  Example example;
  std::erase_if(example.codings, [](const auto& coding) { return coding.first != "f16_matrix"; });
  const std::string file = write(example.graph, example.codings);
  EXPECT_EQ(error_of(as_version(file, 5)), "");
  EXPECT_THAT(error_of(as_version(file, 4)), HasSubstr("elements so coded are not f16"));
}

TEST(Pack, MatricesWaitWhereTheirBytesAreKept) {
  const Example example;
  const auto file = std::make_shared<const std::string>(write(example.graph, example.codings));
  const onnx::ReadResult result = read(std::as_bytes(std::span(*file)), file);
  for (const char* name : {"w", "v", "k", "o", "p"}) {
    const Tensor& constant = result.graph.find_value(name)->constant;
    EXPECT_TRUE(constant.lazy()) << name;
    for (int again = 0; again < 2; ++again) {
      EXPECT_TRUE(constant == example.graph.find_value(name)->constant) << name;
      EXPECT_FALSE(constant.lazy()) << name;
      constant.release();
    }
  }
}

TEST(Pack, DamageIsFoundBeforeAnythingIsDecoded) {
  const Example example;
  const std::string good = write(example.graph, example.codings);
  for (size_t i = 0; i < good.size(); ++i) {
    auto bad = std::make_shared<std::string>(good);
    (*bad)[i] = static_cast<char>((*bad)[i] ^ 0x10);
    EXPECT_THROW(read(std::as_bytes(std::span(*bad)), bad), Error) << i;
  }
}

TEST(Pack, CutShortAnywhereIsAnError) {
  const Example example;
  const std::string file = write(example.graph, example.codings);
  for (size_t size = 0; size < file.size(); ++size) EXPECT_NE(error_of(file.substr(0, size)), "") << size;
  EXPECT_THAT(error_of(file + "x"), HasSubstr("something behind it"));
}

TEST(Pack, AChangedBitAnywhereIsAnError) {
  const Example example;
  const std::string file = write(example.graph, example.codings);
  for (size_t i = 0; i < file.size() * 8; ++i) {
    std::string damaged = file;
    damaged[i / 8] = static_cast<char>(damaged[i / 8] ^ (1 << (i % 8)));
    EXPECT_NE(error_of(damaged), "") << i;
  }
}

TEST(Pack, DamageIsNamed) {
  const Example example;
  std::string file = write(example.graph, example.codings);
  file.back() = static_cast<char>(file.back() ^ 1);  // the last stream is of 'halves'
  EXPECT_THAT(error_of(file), HasSubstr("'halves'"));
}

TEST(Pack, ANewerVersionIsRefusedInWords) {
  const Example example;
  std::string file = write(example.graph, example.codings);
  file[8] = 6;
  EXPECT_THAT(error_of(file), HasSubstr("version 6; this Tercel reads up to 5"));
}

/// TERCEL_WRITE_GOLDEN=1 writes those that are missing.
std::shared_ptr<const MappedFile> golden_file(const std::string& path, const Graph& graph,
                                              const std::map<std::string, Coding>& codings, codec::Profile profile) {
  if (std::getenv("TERCEL_WRITE_GOLDEN") != nullptr && !std::filesystem::exists(path)) {
    codec::EncodeOptions options;
    options.profile = profile;
    AtomicFile golden(path);
    golden.write(write(graph, codings, options));
    golden.commit();
  }
  return MappedFile::open(path);
}

/// Files of all versions stay readable: a change of the format adds files and leaves these alone.
TEST(Pack, GoldenFilesAreReadAsEver) {
  std::vector<std::string> names{"w", "v", "b", "exact", "inside", "indices"};
  const Example example;
  for (int version : {1, 2, 3, 5}) {
    if (version == 2) names.insert(names.end(), {"k", "o"});
    if (version == 3) names.push_back("p");
    if (version == 5)
      for (const char* type : {"f16", "bf16", "f64"})
        for (const char* what : {"_matrix", "_turned", "_vector"}) names.push_back(std::string(type) + what);
    if (version == 5) names.insert(names.end(), {"weights8", "unsigned8", "halves", "doubles", "numbers"});
    for (codec::Profile profile : {codec::Profile::max, codec::Profile::balanced, codec::Profile::fast}) {
      const std::string path =
          fmt::format(TERCEL_SOURCE_DIR "/tests/golden/pack_{}_{}.tercel", version, codec::to_string(profile));
      const auto file = golden_file(path, example.graph, example.codings, profile);
      const onnx::ReadResult result = read(file->bytes());
      for (const std::string& name : names)
        EXPECT_TRUE(result.graph.find_value(name)->constant == example.graph.find_value(name)->constant)
            << path << name;
    }
  }
}

/// A basis that does not fit what it is for, or is not there.
TEST(Pack, AWrongBasisIsRefusedInWords) {
  const auto error_with = [](auto&& change) {
    Example example;
    auto matrix = std::make_shared<codec::QuantizedMatrix>(*std::get<CodedMatrix>(example.codings["k"]).matrix);
    change(*matrix);
    example.codings["k"] = CodedMatrix{matrix, false};
    return error_of(write(example.graph, example.codings));
  };
  EXPECT_EQ(error_with([](codec::QuantizedMatrix&) {}), "");
  EXPECT_THAT(error_with([](codec::QuantizedMatrix& m) {
                m.kernel_width = 4;
                m.coefficients.resize(12);
              }),
              HasSubstr("a basis of 6 for kernels of 3x4"));
  EXPECT_THAT(error_with([](codec::QuantizedMatrix& m) { m.coefficients[0].step = 16; }),
              HasSubstr("step of a coefficient"));
  EXPECT_THAT(error_with([](codec::QuantizedMatrix& m) { m.basis = std::make_shared<const codec::KernelBasis>(); }),
              HasSubstr("a basis of size 0"));
}

/// A network with a matrix of a trellis, with a basis and without.
struct TrellisExample {
  TrellisExample() {
    auto plain = random_matrix(7, 6, 1, 5);
    plain->trellis = true;
    plain->column_class = {0, 1, 2, 3, 4, 15};
    auto kernels = random_matrix(6, 12, 2, 6);
    kernels->trellis = true;
    codec::KernelBasis basis{2, {100, 20, -20, 100}};
    kernels->basis = std::make_shared<const codec::KernelBasis>(basis);
    kernels->coefficients = {{0, 1}, {3, 0}};
    Value* x = graph.add_input("x", {DType::f32, true, {2, 7}});
    Value* p = graph.add_constant("p", as_tensor(*plain, {7, 6}));
    Value* k = graph.add_constant("k", as_tensor(*kernels, {6, 12}));
    codings = {{"p", CodedMatrix{plain, false}}, {"k", CodedMatrix{kernels, false}}};
    Value* y = graph.add_value("y");
    Value* z = graph.add_value("z");
    graph.add_node("MatMul", {x, p}, {y});
    graph.add_node("MatMul", {y, k}, {z});
    graph.add_output(z);
    infer_types(graph);
  }
  Graph graph;
  std::map<std::string, Coding> codings;
};

std::string trellis_file(codec::Profile profile) {
  return fmt::format(TERCEL_SOURCE_DIR "/tests/golden/pack_4_{}.tercel", codec::to_string(profile));
}

TEST(Pack, MatricesOfATrellisAreReadAsEver) {
  if (!codec::kHasTrellis) GTEST_SKIP() << "this build has no trellis";
  const TrellisExample example;
  for (codec::Profile profile : {codec::Profile::max, codec::Profile::balanced, codec::Profile::fast}) {
    codec::EncodeOptions options;
    options.profile = profile;
    const std::string written = write(example.graph, example.codings, options);
    EXPECT_EQ(written[8], 4);
    const auto golden = golden_file(trellis_file(profile), example.graph, example.codings, profile);
    for (const onnx::ReadResult& result : {read_text(written), read(golden->bytes())})
      for (const char* name : {"p", "k"})
        EXPECT_TRUE(result.graph.find_value(name)->constant == example.graph.find_value(name)->constant) << name;
    for (size_t i = 0; i < written.size() * 8; ++i) {
      std::string damaged = written;
      damaged[i / 8] = static_cast<char>(damaged[i / 8] ^ (1 << (i % 8)));
      EXPECT_NE(error_of(damaged), "") << i;
    }
  }
}

TEST(Pack, AMatrixOfATrellisIsNamedWhereTheBuildHasNone) {
  if (codec::kHasTrellis) GTEST_SKIP() << "this build has it";
  const auto file = MappedFile::open(trellis_file(codec::Profile::max));
  const std::string bytes(reinterpret_cast<const char*>(file->bytes().data()), file->bytes().size());
  EXPECT_THAT(error_of(bytes), AllOf(HasSubstr("'p'"), HasSubstr("built without it (TERCEL_TRELLIS)")));
}

TEST(Pack, ATrellisWithClassesOfRowsIsRefusedInWords) {
  if (!codec::kHasTrellis) GTEST_SKIP() << "this build has no trellis";
  TrellisExample example;
  auto matrix = std::make_shared<codec::QuantizedMatrix>(*std::get<CodedMatrix>(example.codings["p"]).matrix);
  matrix->row_class = {0, 1, 2, 3, 4, 5, 6};
  example.codings["p"] = CodedMatrix{matrix, false};
  EXPECT_THAT(error_of(write(example.graph, example.codings)), HasSubstr("a trellis and classes of rows"));
}

TEST(Pack, ZerosByTheMillionComeBack) {
  Graph graph;
  std::map<std::string, Coding> codings;
  const auto add = [&](const char* name, const Coding& coding) {
    graph.add_output(graph.add_constant(name, Tensor::of<float>({1000, 1200}, std::vector<float>(1000 * 1200))));
    codings[name] = coding;
  };
  codec::QuantizedMatrix zeros;
  zeros.rows = 1000;
  zeros.columns = 1200;
  zeros.step = 1;
  zeros.levels.resize(1000 * 1200);
  add("matrix", CodedMatrix{std::make_shared<const codec::QuantizedMatrix>(zeros), false});
  add("vector", CodedVector{0, zeros.levels});
  add("floats", Lossless{});
  graph.add_output(graph.add_constant("bytes", Tensor::of<int8_t>({4000, 4000}, std::vector<int8_t>(4000 * 4000))));
  codings["bytes"] = Lossless{};
  const std::string file = write(graph, codings);
  EXPECT_LT(file.size(), 4000u);
  const onnx::ReadResult result = read_text(file);
  for (const auto& value : graph.values())
    EXPECT_TRUE(result.graph.find_value(value->name)->constant == value->constant) << value->name;
}

TEST(Pack, RecordsAreCountedBeforeTheyAreBelieved) {
  std::string records;
  codec::FieldWriter write(records);
  DirectoryHead head{kMaxRecords + 1, 0, 0, 0};
  visit_directory_head(write, head, kVersion);
  codec::FieldReader read(std::as_bytes(std::span(records)));
  EXPECT_THROW(visit_directory_head(read, head, kVersion), Error);
}

/// The domain is the graph's; the format knows nothing of it.
TEST(Pack, OperatorsOfOursComeBack) {
  Example example;
  Graph& graph = example.graph;
  Value* y = graph.outputs()[0];
  Value* scale = graph.add_value("scale");
  graph.add_node("ai.tercel.RowScale", {y}, {scale}, {{"epsilon", 0.125f}}, "rows");
  graph.add_output(scale);
  infer_types(graph);
  const std::string bytes = write(graph, example.codings);
  EXPECT_EQ(bytes[8], 5);
  const Graph back = read(std::as_bytes(std::span(bytes))).graph;
  const Node* node = back.outputs().back()->producer;
  EXPECT_EQ(node->op, "ai.tercel.RowScale");
  EXPECT_EQ(node->attrs.get_float("epsilon"), 0.125f);
  // Only Tercel reads the file: what the operator is in standard ones need not be in it.
  const auto graph_bytes = [](const std::string& file) { return sizes(std::as_bytes(std::span(file))).graph; };
  EXPECT_LT(graph_bytes(bytes), graph_bytes(write(Example().graph, Example().codings)) + 150);
}

TEST(Pack, SizesAddUp) {
  const Example example;
  const std::string file = write(example.graph, example.codings);
  const Sizes s = sizes(std::as_bytes(std::span(file)));
  EXPECT_LT(s.graph + s.directory + s.vectors + s.matrices + s.lossless, static_cast<int64_t>(file.size()));
  EXPECT_GT(s.matrices, 0);
  EXPECT_GT(s.vectors, 0);
  EXPECT_GT(s.lossless, 0);
}

}  // namespace
}  // namespace tercel::pack
