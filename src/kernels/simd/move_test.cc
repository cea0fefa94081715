#include "kernels/simd/variant_testing.h"

namespace tercel::inline kernels {
namespace {

using Ints = std::vector<int64_t>;

constexpr DType kOnePerWidth[] = {DType::u8, DType::i16, DType::f32, DType::i64};

Tensor ints(const Ints& values) { return Tensor::of<int64_t>({static_cast<int64_t>(values.size())}, values); }

void check(std::string_view op, const Attrs& attrs, std::vector<Tensor> src, std::vector<std::pair<DType, Dims>> dst,
           std::string_view variant, std::set<size_t> constant = {1, 2, 3, 4}) {
  check_variants({op, attrs, std::move(src), std::move(constant), std::move(dst), 0}, {variant});
}

TEST(Reorder, BothWaysForEveryWidth) {
  for (DType dtype : kOnePerWidth)
    for (int64_t c : {1, 2, 3, 4, 5, 8, 15, 16, 17, 33, 64})
      for (int64_t w : {1, 3, 4, 16, 19, 37, 400}) {
        const Dims dims = {2, c, 3, w};
        const Tensor plain = random_bytes(dtype, dims, 1);
        Tensor last(dtype, dims), back(dtype, dims);
        make_reorder(dtype, dims, Layout::plain)->run({std::array{plain.data()}, std::array{last.mutable_data()}});
        const auto size = static_cast<int64_t>(size_of(dtype));
        for (int64_t i = 0; i < plain.elements(); ++i) {
          const int64_t pixel = i % (3 * w), channel = i / (3 * w) % c, n = i / (3 * w * c);
          ASSERT_EQ(std::memcmp(plain.data() + i * size, last.data() + ((n * 3 * w + pixel) * c + channel) * size,
                                size_of(dtype)),
                    0)
              << to_string(dims) << " element " << i;
        }
        make_reorder(dtype, dims, Layout::channels_last)
            ->run({std::array{std::as_const(last).data()}, std::array{back.mutable_data()}});
        ASSERT_TRUE(back == plain) << to_string(dims);
      }
}

TEST(Move, Transpose) {
  const struct {
    Dims dims;
    Ints perm;
  } kCases[] = {{{5, 7}, {1, 0}},
                {{64, 96}, {1, 0}},
                {{1, 197, 3, 64}, {0, 2, 1, 3}},
                {{2, 3, 4, 5}, {3, 2, 1, 0}},
                {{2, 3, 4, 5}, {0, 2, 3, 1}},
                {{2, 3, 4, 5}, {1, 0, 3, 2}},
                {{2, 3, 4, 5, 6}, {0, 2, 1, 3, 4}},
                {{2, 3, 4, 5, 6}, {4, 0, 3, 1, 2}},
                {{3, 1, 5}, {2, 0, 1}},
                {{0, 3}, {1, 0}},
                {{7}, {0}},
                {{1, 3, 64, 197}, {0, 1, 3, 2}},
                {{2, 3, 2, 3, 2, 3}, {0, 3, 1, 5, 2, 4}}};
  for (DType dtype : kOnePerWidth)
    for (const auto& [dims, perm] : kCases) {
      Dims y;
      for (int64_t axis : perm) y.push_back(dims[static_cast<size_t>(axis)]);
      check("Transpose", {{"perm", perm}}, {random_bytes(dtype, dims, 1)}, {{dtype, y}}, "copy_transpose");
    }
  check("Transpose", {}, {random_floats({2, 3, 4}, 1)}, {{DType::f32, {4, 3, 2}}}, "copy_transpose");
  check("Transpose", {}, {random_floats({}, 1)}, {{DType::f32, {}}}, "copy_transpose");
  check("Transpose", {{"perm", Ints{1, 0}}}, {random_floats({300, 1100}, 1)}, {{DType::f32, {1100, 300}}},
        "copy_transpose");
}

TEST(Move, Slice) {
  constexpr int64_t kMax = std::numeric_limits<int64_t>::max(), kMin = std::numeric_limits<int64_t>::min();
  for (DType dtype : kOnePerWidth) {
    const Tensor x = random_bytes(dtype, {2, 6, 5, 7}, 1);
    check("Slice", {}, {x, ints({0, 0}), ints({kMax, kMax}), ints({2, 3}), ints({2, 2})}, {{dtype, {2, 6, 3, 4}}},
          "copy_slice");
    check("Slice", {}, {x, ints({1}), ints({5}), ints({1})}, {{dtype, {2, 4, 5, 7}}}, "copy_slice");
    check("Slice", {}, {x, ints({-1}), ints({kMin}), ints({-1}), ints({-1})}, {{dtype, {2, 6, 5, 7}}}, "copy_slice");
    check("Slice", {}, {x, ints({4}), ints({0}), ints({1}), ints({-3})}, {{dtype, {2, 2, 5, 7}}}, "copy_slice");
    check("Slice", {}, {x, ints({1, 2}), ints({2, 100})}, {{dtype, {1, 4, 5, 7}}}, "copy_slice");
    check("Slice", {}, {x, ints({3}), ints({3}), ints({2})}, {{dtype, {2, 6, 0, 7}}}, "copy_slice");
    check("Slice", {}, {x, ints({1}), ints({kMax}), ints({3}), ints({kMax})}, {{dtype, {2, 6, 5, 1}}}, "copy_slice");
  }
  check("Slice", {}, {random_floats({1, 197, 192}, 1), ints({0}), ints({1}), ints({1})}, {{DType::f32, {1, 1, 192}}},
        "copy_slice");
}

TEST(Move, SplitAndConcat) {
  for (DType dtype : kOnePerWidth)
    for (int64_t axis : {0, 1, 2, 3, -1}) {
      const auto at = static_cast<size_t>(axis < 0 ? axis + 4 : axis);
      const Dims whole = {6, 6, 6, 6};
      std::vector<Tensor> parts;
      std::vector<std::pair<DType, Dims>> shapes;
      for (int64_t extent : {1, 3, 0, 2}) {
        Dims dims = whole;
        dims[at] = extent;
        parts.push_back(random_bytes(dtype, dims, static_cast<uint64_t>(extent)));
        shapes.emplace_back(dtype, dims);
      }
      check("Concat", {{"axis", axis}}, parts, {{dtype, whole}}, "copy_concat", {});
      check("Concat", {{"axis", axis}}, parts, {{dtype, whole}}, "copy_concat", {1});
      const Tensor x = random_bytes(dtype, whole, 9);
      check("Split", {{"axis", axis}}, {x, ints({1, 3, 0, 2})}, shapes, "copy_split");
      shapes[1] = {DType::none, {}};
      check("Split", {{"axis", axis}}, {x, ints({1, 3, 0, 2})}, shapes, "copy_split");
      Dims half = whole;
      half[at] = 3;
      check("Split", {{"axis", axis}, {"num_outputs", int64_t{2}}}, {x}, {{dtype, half}, {dtype, half}}, "copy_split");
    }
  check("Concat", {{"axis", int64_t{1}}}, {random_floats({1, 64, 55, 55}, 1), random_floats({1, 65, 55, 55}, 2)},
        {{DType::f32, {1, 129, 55, 55}}}, "copy_concat", {});
  check("Concat", {{"axis", int64_t{1}}}, {random_floats({1, 1, 96}, 1), random_floats({1, 196, 96}, 2)},
        {{DType::f32, {1, 197, 96}}}, "copy_concat", {0});
}

TEST(Move, Pad) {
  const Attrs constant = {{"mode", std::string("constant")}};
  for (DType dtype : kOnePerWidth) {
    const Tensor x = random_bytes(dtype, {2, 3, 4, 5}, 1), value = random_bytes(dtype, {}, 2);
    check("Pad", constant, {x, ints({0, 0, 1, 2, 0, 0, 3, 1})}, {{dtype, {2, 3, 8, 8}}}, "copy_pad");
    check("Pad", constant, {x, ints({0, 2, 0, 0, 0, 3, 0, 0}), value}, {{dtype, {2, 8, 4, 5}}}, "copy_pad");
    check("Pad", constant, {x, ints({0, -1, -2, 1, 0, 2, 0, -3}), value}, {{dtype, {2, 4, 2, 3}}}, "copy_pad");
    check("Pad", constant, {x, ints({-3, 2}), value, ints({-1})}, {{dtype, {2, 3, 4, 4}}}, "copy_pad");
    check("Pad", constant, {x, ints({-7, 4}), value, ints({3})}, {{dtype, {2, 3, 4, 2}}}, "copy_pad");
    check("Pad", constant, {x, ints({-4, 0}), value, ints({2})}, {{dtype, {2, 3, 0, 5}}}, "copy_pad");
  }
}

TEST(Move, Expand) {
  check("Expand", {}, {random_floats({3, 1, 5}, 1), ints({2, 3, 4, 5})}, {{DType::f32, {2, 3, 4, 5}}}, "copy_expand");
  check("Expand", {}, {random_floats({1, 1, 192}, 1), ints({4, 1, 1})}, {{DType::f32, {4, 1, 192}}}, "copy_expand");
  check("Expand", {}, {random_floats({7, 1}, 1), ints({7, 9})}, {{DType::f32, {7, 9}}}, "copy_expand");
  check("Expand", {}, {random_floats({}, 1), ints({5})}, {{DType::f32, {5}}}, "copy_expand");
}

TEST(Move, DepthAndSpace) {
  for (DType dtype : kOnePerWidth)
    for (int64_t b : {1, 2, 3}) {
      const Dims deep = {2, 5 * b * b, 3, 4}, wide = {2, 5, 3 * b, 4 * b};
      for (const char* mode : {"DCR", "CRD"})
        check("DepthToSpace", {{"blocksize", b}, {"mode", std::string(mode)}}, {random_bytes(dtype, deep, 1)},
              {{dtype, wide}}, "copy_depth_to_space");
      check("SpaceToDepth", {{"blocksize", b}}, {random_bytes(dtype, wide, 1)}, {{dtype, deep}}, "copy_space_to_depth");
    }
}

TEST(Move, Gather) {
  for (DType dtype : kOnePerWidth)
    for (int64_t axis : {0, 1, 2, -1}) {
      const Tensor x = random_bytes(dtype, {4, 4, 5}, 1);
      Dims y = {4, 4, 5};
      const auto at = y.begin() + (axis < 0 ? axis + 3 : axis);
      *at = 3;
      y.insert(at, 2);
      check("Gather", {{"axis", axis}}, {x, Tensor::of<int64_t>({2, 3}, {0, 3, -1, -4, 2, 2})}, {{dtype, y}},
            "copy_gather");
    }
  check("Gather", {{"axis", int64_t{1}}}, {random_floats({1, 197, 192}, 1), Tensor::scalar<int64_t>(0)},
        {{DType::f32, {1, 192}}}, "copy_gather");
}

TEST(Move, RefusesWhatItCannotPromise) {
  const Attrs attrs = {{"axis", int64_t{0}}};
  const Tensor outside = Tensor::of<int64_t>({1}, {4});
  Problem p{"Gather",
            &attrs,
            {{DType::f32, {4}, Layout::plain, {}}, {DType::i64, {1}, Layout::plain, outside}},
            {{DType::f32, {1}, Layout::plain, {}}}};
  const Variant& gather = menu("Gather")[0];
  EXPECT_THAT(gather.why_not(p), testing::HasSubstr("index 4 is outside"));
  p.src[1].constant = {};
  EXPECT_THAT(gather.why_not(p), testing::HasSubstr("not constant"));
}

}  // namespace
}  // namespace tercel::inline kernels
