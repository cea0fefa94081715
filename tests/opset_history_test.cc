// The opset-history cases (tests/opset_history): for every operator and every opset from 7 on at which its schema
// changed, small models with right values that come from ONNX Runtime or from the text of the specification. Each runs
// optimised, unoptimised, and on reference kernels alone; and once more as written by Tercel and read again.
//
// TERCEL_OPSET_CASES names another folder of case files, say one with cases of make_cases.py that are tried out.

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>

#include "tercel/tercel.h"

namespace tercel {
namespace {

namespace fs = std::filesystem;

struct Case {
  std::string name;
  std::string op;
  uint32_t opset = 0;
  bool refused = false;
  std::string model;
  std::vector<Array> inputs, wanted;
};

/// What make_cases.py writes, little-endian: texts and lists with their length in front.
class CaseFile {
 public:
  explicit CaseFile(const fs::path& path) : op_(path.stem()), file_(path, std::ios::binary) {
    std::string magic;
    std::getline(file_, magic);
    if (magic != "tercel opset cases 1") throw std::runtime_error(path.string() + " is no case file");
    left_ = take<uint32_t>();
  }

  bool more() const { return left_ > 0; }

  Case next() {
    --left_;
    Case one;
    one.op = op_;
    one.name = text();
    one.opset = take<uint32_t>();
    one.refused = take<uint8_t>() != 0;
    one.model = text();
    one.inputs = arrays();
    one.wanted = arrays();
    return one;
  }

 private:
  template <typename T>
  T take() {
    T value;
    file_.read(reinterpret_cast<char*>(&value), sizeof value);
    if (!file_) throw std::runtime_error(op_ + ".cases is cut short");
    return value;
  }

  std::string text() {
    std::string bytes(take<uint32_t>(), '\0');
    file_.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    if (!file_) throw std::runtime_error(op_ + ".cases is cut short");
    return bytes;
  }

  std::vector<Array> arrays() {
    // ONNX's numbers of the element types.
    static const std::map<int, DType> kTypes = {
        {1, DType::f32},  {2, DType::u8},   {3, DType::i8},      {4, DType::u16},  {5, DType::i16},
        {6, DType::i32},  {7, DType::i64},  {9, DType::boolean}, {10, DType::f16}, {11, DType::f64},
        {12, DType::u32}, {13, DType::u64}, {16, DType::bf16}};
    std::vector<Array> all;
    for (auto count = take<uint32_t>(); count > 0; --count) {
      const DType dtype = kTypes.at(take<uint8_t>());
      std::vector<int64_t> dims(take<uint8_t>());
      for (int64_t& extent : dims) extent = take<int64_t>();
      Array array(dtype, dims);
      const std::string bytes = text();
      if (bytes.size() != array.bytes()) throw std::runtime_error(op_ + ".cases: extents and elements differ");
      std::memcpy(array.data(), bytes.data(), bytes.size());
      all.push_back(std::move(array));
    }
    return all;
  }

  std::string op_;
  std::ifstream file_;
  uint32_t left_ = 0;
};

/// Empty where both agree: integers exactly, real numbers within some units in the last place of their type.
std::string difference(const Array& got, const Array& wanted) {
  if (got.dtype() != wanted.dtype())
    return fmt::format("type {}, wanted {}", to_string(got.dtype()), to_string(wanted.dtype()));
  if (got.dims() != wanted.dims())
    return fmt::format("shape {}, wanted {}", fmt::join(got.dims(), "x"), fmt::join(wanted.dims(), "x"));
  double relative = 0;
  switch (got.dtype()) {
    case DType::f32:
    case DType::f64: relative = 1e-4; break;  // doubles too: right values may come from a run in f32
    case DType::f16: relative = 0x1p-9; break;
    case DType::bf16: relative = 0x1p-6; break;
    default: return std::equal(got.data(), got.data() + got.bytes(), wanted.data()) ? "" : "other integers";
  }
  const auto a = got.to_floats(), b = wanted.to_floats();
  double largest = 0;
  for (float x : b)
    if (std::isfinite(x)) largest = std::max(largest, std::abs(static_cast<double>(x)));
  for (size_t i = 0; i < a.size(); ++i) {
    if (a[i] == b[i] || (std::isnan(a[i]) && std::isnan(b[i]))) continue;
    const double bound = relative * (std::abs(static_cast<double>(b[i])) + 0.1 * largest) + 1e-6;
    if (!(std::abs(static_cast<double>(a[i]) - b[i]) <= bound))
      return fmt::format("element {} is {}, wanted {}", i, a[i], b[i]);
  }
  return "";
}

/// Empty where the case comes out right, else what went wrong.
std::string run_case(const Case& one, const fs::path& model, const SessionOptions& options) {
  try {
    Session session(load(model), options);
    const auto got = session.run(one.inputs);
    if (one.refused) return "runs, but should be refused";
    if (got.size() != one.wanted.size()) return "number of outputs";
    for (size_t i = 0; i < got.size(); ++i)
      if (std::string words = difference(got[i], one.wanted[i]); !words.empty())
        return fmt::format("output {}: {}", i, words);
    return "";
  } catch (const Error& error) {
    return one.refused && error.code() == ErrorCode::unsupported ? "" : error.what();
  } catch (const std::exception& error) {
    return error.what();
  }
}

fs::path written_path(const fs::path& model) { return fs::path(model).replace_extension(".written.onnx"); }

/// Empty where it is written; "-" where no opset from 13 on has such a node, as is said in words.
std::string write_again(const fs::path& model) {
  try {
    load(model).save_onnx(written_path(model));
    return "";
  } catch (const Error& error) {
    return error.code() == ErrorCode::unsupported ? "-" : error.what();
  } catch (const std::exception& error) {
    return error.what();
  }
}

TEST(OpsetHistory, EveryVersionOfEveryOperatorIsRight) {
  const char* elsewhere = std::getenv("TERCEL_OPSET_CASES");
  const fs::path folder = elsewhere != nullptr ? elsewhere : TERCEL_SOURCE_DIR "/tests/opset_history/cases";
  const fs::path model =
      fs::path(testing::TempDir()) / ("tercel_opset_history_" + std::to_string(::getpid()) + ".onnx");
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(folder))
    if (entry.path().extension() == ".cases") files.push_back(entry.path());
  std::sort(files.begin(), files.end());

  std::set<std::string> operators;
  std::set<std::pair<std::string, uint32_t>> versions;
  int cases = 0, right = 0, refused = 0, not_written = 0;
  for (const fs::path& path : files) {
    for (CaseFile file(path); file.more();) {
      const Case one = file.next();
      std::ofstream(model, std::ios::binary) << one.model;
      bool all_right = true;
      if (!one.refused) {  // what is written is ONNX again, and says the same
        const std::string words = write_again(model);
        EXPECT_TRUE(words.empty() || words == "-") << one.name << " (written): " << words;
        not_written += words == "-";
        if (words.empty()) {
          const std::string differs = run_case(one, written_path(model), {});
          EXPECT_EQ(differs, "") << one.name << " (written and read again)";
          all_right &= differs.empty();
        }
      }
      for (const char* how : {"optimised", "unoptimised", "reference"}) {
        SessionOptions options;
        options.threads = 1;
        options.optimize = std::string_view(how) == "optimised";
        options.reference = std::string_view(how) == "reference";
        const std::string words = run_case(one, model, options);
        EXPECT_EQ(words, "") << one.name << " (" << how << ")";
        all_right &= words.empty();
      }
      ++cases;
      (one.refused ? refused : right) += all_right;
      if (!one.refused) {
        operators.insert(one.op);
        versions.emplace(one.op, one.opset);
      }
    }
  }
  fs::remove(model);
  fs::remove(written_path(model));
  std::printf(
      "opset history: %zu operators in %zu versions, %d cases: %d right, %d refused in words as they should be; %d "
      "have types that newer opsets took away and are not written\n",
      operators.size(), versions.size(), cases, right, refused, not_written);
  EXPECT_EQ(right + refused, cases);
  if (elsewhere != nullptr) return;
  EXPECT_EQ(operators.size(), 159u);
  EXPECT_EQ(versions.size(), 421u);
}

}  // namespace
}  // namespace tercel
