// The ONNX backend node tests (Debian's libonnx-testdata): every case passes, or is refused in words. A wrong answer is
// a failure; so is a crash.
//
// TERCEL_ONNX_TESTDATA names the folder that holds one folder a case; the default is where Debian puts it.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <map>

#include "tercel/tercel.h"

namespace tercel {
namespace {

namespace fs = std::filesystem;

fs::path testdata() {
  const char* folder = std::getenv("TERCEL_ONNX_TESTDATA");
  return folder != nullptr ? folder : "/usr/share/libonnx-testdata/data/node";
}

std::vector<Array> read_arrays(const fs::path& folder, const char* stem) {
  std::vector<Array> arrays;
  for (int i = 0;; ++i) {
    const fs::path path = folder / (std::string(stem) + "_" + std::to_string(i) + ".pb");
    if (!fs::exists(path)) return arrays;
    arrays.push_back(Array::open(path));
  }
}

// The test data of ONNX 1.12 has three faults with bfloat16: tensors are declared uint16 (the bits are right), values
// are cut off instead of rounded to nearest even as the standard says, and CastLike's second operand, of which only the
// type counts, has one element where the model declares twelve.

/// The same bits under the type the model wants.
Array with_type(const Array& array, DType wanted) {
  if (wanted != DType::bf16 || array.dtype() != DType::u16) return array;
  Array same_bits(DType::bf16, array.dims());
  std::copy(array.data(), array.data() + array.bytes(), same_bits.data());
  return same_bits;
}

std::vector<Array> with_types(std::vector<Array> arrays, const std::vector<Port>& ports) {
  for (size_t i = 0; i < arrays.size() && i < ports.size(); ++i) {
    arrays[i] = with_type(arrays[i], ports[i].dtype);
    if (ports[i].name == "like" && arrays[i].dims() != ports[i].dims) arrays[i] = Array(ports[i].dtype, ports[i].dims);
  }
  return arrays;
}

/// Empty where both agree as the ONNX project's own runner asks (rtol 1e-3, atol 1e-7), else what differs.
std::string difference(const Array& got, const Array& wanted) {
  if (got.dtype() != wanted.dtype()) return std::string("type ") + std::string(to_string(got.dtype()));
  if (got.dims() != wanted.dims()) return "shape";
  if (got.dtype() != DType::f32 && got.dtype() != DType::f64 && got.dtype() != DType::f16 && got.dtype() != DType::bf16)
    return std::equal(got.data(), got.data() + got.bytes(), wanted.data()) ? "" : "integers";
  const float relative = got.dtype() == DType::bf16 ? 0x1p-7f : 1e-3f;  // one unit in bfloat16's last place
  const auto a = got.to_floats(), b = wanted.to_floats();
  for (size_t i = 0; i < a.size(); ++i) {
    if (std::isnan(a[i]) && std::isnan(b[i])) continue;
    if (a[i] == b[i]) continue;
    if (!(std::abs(a[i] - b[i]) <= 1e-7f + relative * std::abs(b[i])))
      return "element " + std::to_string(i) + " is " + std::to_string(a[i]) + ", wanted " + std::to_string(b[i]);
  }
  return "";
}

struct Outcome {
  enum Kind { passed, refused, wrong } kind;
  std::string words;
};

Outcome run_case(const fs::path& folder, const SessionOptions& options) {
  try {
    Session session(load(folder / "model.onnx"), options);
    for (int set = 0; fs::exists(folder / ("test_data_set_" + std::to_string(set))); ++set) {
      const fs::path data = folder / ("test_data_set_" + std::to_string(set));
      const auto wanted = read_arrays(data, "output");
      const auto got = session.run(with_types(read_arrays(data, "input"), session.model().inputs()));
      if (got.size() != wanted.size()) return {Outcome::wrong, "number of outputs"};
      for (size_t i = 0; i < got.size(); ++i)
        if (std::string words = difference(got[i], with_type(wanted[i], got[i].dtype())); !words.empty())
          return {Outcome::wrong, "output " + std::to_string(i) + ": " + words};
    }
    return {Outcome::passed, ""};
  } catch (const Error& error) {
    return {error.code() == ErrorCode::unsupported ? Outcome::refused : Outcome::wrong, error.what()};
  } catch (const std::exception& error) {
    return {Outcome::wrong, error.what()};
  }
}

TEST(OnnxNode, EveryCasePassesOrIsRefusedInWords) {
  if (!fs::exists(testdata())) GTEST_SKIP() << testdata() << " is not there (Debian package libonnx-testdata)";
  std::vector<fs::path> cases;
  for (const auto& entry : fs::directory_iterator(testdata()))
    if (fs::exists(entry.path() / "model.onnx")) cases.push_back(entry.path());
  std::sort(cases.begin(), cases.end());
  ASSERT_GE(cases.size(), 900u);
  for (const bool optimise : {false, true}) {
    std::map<Outcome::Kind, int> count;
    for (const fs::path& folder : cases) {
      SessionOptions options;
      options.threads = 1;
      options.optimize = optimise;
      const Outcome outcome = run_case(folder, options);
      ++count[outcome.kind];
      if (outcome.kind == Outcome::refused && !optimise)
        std::printf("refused %s: %s\n", folder.filename().c_str(), outcome.words.c_str());
      EXPECT_NE(outcome.kind, Outcome::wrong) << folder.filename() << ": " << outcome.words;
    }
    std::printf("ONNX node cases%s: %d passed, %d refused, %d wrong\n", optimise ? " (optimised)" : "",
                count[Outcome::passed], count[Outcome::refused], count[Outcome::wrong]);
    EXPECT_GE(count[Outcome::passed], 600);
  }
}

}  // namespace
}  // namespace tercel
