// Fields and bins through their visitors: what a generator makes up, writers write and readers read back.
#include <gmock/gmock.h>

#include "base/error.h"
#include "codec/adaptive/model.h"
#include "codec/cabac/dec_range.h"
#include "codec/cabac/enc_range.h"
#include "codec/cabac/model.h"
#include "codec/rans/levels.h"
#include "codec/syntax/bytes.h"
#include "codec/syntax/fields.h"
#include "codec/syntax/stream.h"

namespace tercel::codec {
namespace {

std::span<const std::byte> bytes_of(const std::string& text) { return std::as_bytes(std::span(text)); }

TEST(Fields, RandomHeadsComeBack) {
  Rng rng(1);
  for (int i = 0; i < 300; ++i) {
    FieldGenerator generate(rng);
    StreamHead head;
    ContextInit init;
    ChunkEntry entry;
    BytesHead bytes_head;
    FastTables tables;
    const auto visit = [](auto& visitor, auto& h, auto& s, auto& e, auto& b, auto& t) {
      visit_head(visitor, h);
      visit_context_init(visitor, s, true);
      visit_entry(visitor, e, int64_t{1} << 50);
      visit_bytes_head(visitor, b);
      visit_tables(visitor, t, true);
    };
    visit(generate, head, init, entry, bytes_head, tables);
    std::string stream;
    FieldWriter write(stream);
    visit(write, head, init, entry, bytes_head, tables);
    FieldReader read(bytes_of(stream));
    StreamHead head2;
    ContextInit init2;
    ChunkEntry entry2;
    BytesHead bytes_head2;
    FastTables tables2;
    visit(read, head2, init2, entry2, bytes_head2, tables2);
    EXPECT_TRUE(read.rest().empty());
    EXPECT_EQ(head2.format, head.format);
    EXPECT_EQ(head2.pruned, head.pruned);
    EXPECT_EQ(head2.chunk_weights, head.chunk_weights);
    EXPECT_EQ(head2.map_bytes, head.map_bytes);
    EXPECT_EQ(init2.mean, init.mean);
    EXPECT_EQ(init2.weights, init.weights);
    EXPECT_EQ(entry2.bytes, entry.bytes);
    EXPECT_EQ(entry2.crc, entry.crc);
    EXPECT_EQ(bytes_head2.mode, bytes_head.mode);
    EXPECT_EQ(bytes_head2.crc, bytes_head.crc);
    EXPECT_EQ(tables2.count, tables.count);
    EXPECT_EQ(tables2.of_class, tables.of_class);
    for (size_t cut = 0; cut < stream.size(); ++cut) {
      FieldReader part(bytes_of(stream).first(cut));
      EXPECT_THROW(visit(part, head2, init2, entry2, bytes_head2, tables2), Error);
    }
  }
}

TEST(Fields, NumbersHaveOneForm) {
  for (const std::string& bad : {std::string("\x80\x00", 2), std::string(10, '\xFF'), std::string("\xFF")}) {
    FieldReader read(bytes_of(bad));
    int64_t number = 0;
    EXPECT_THROW(read.number("n", number, INT64_MAX), Error);
  }
  const std::string five = "\x05";
  FieldReader read(bytes_of(five));
  int64_t number = 0;
  EXPECT_THROW(read.number("n", number, 4), Error);
}

/// Random bins: anything that a decoder could read.
class BinGenerator {
 public:
  explicit BinGenerator(Rng& rng) : rng_(rng) {}
  // Mostly ends soon; now and then as long as it goes.
  bool bit(BinContext&, bool = false) { return rng_.below(8) < 5; }
  uint32_t raw(int count, uint32_t = 0) { return static_cast<uint32_t>(rng_.next() & ((uint64_t{1} << count) - 1)); }
  uint32_t symbol(SymbolContext&, uint32_t = 0) { return static_cast<uint32_t>(rng_.below(kTokens)); }

 private:
  Rng& rng_;
};

template <typename Coding>
void check_random_bins(uint64_t seed) {
  Rng rng(seed);
  std::vector<Expected> predictions(3000);
  std::vector<int32_t> levels;
  {
    BinGenerator bins(rng);
    typename Coding::Contexts contexts;
    for (Expected& e : predictions) {
      e = {static_cast<int>(rng.below(kMagnitudes)), static_cast<int>(rng.below(kConfidences)), rng.below(2) == 1};
      levels.push_back(std::clamp(Coding::visit(bins, contexts, e, 0), -kMaxLevel, kMaxLevel));
    }
  }
  std::string stream;
  RangeEncoder encoder(stream);
  typename Coding::Contexts contexts;
  for (size_t i = 0; i < levels.size(); ++i) Coding::visit(encoder, contexts, predictions[i], levels[i]);
  encoder.finish();
  RangeDecoder decoder(bytes_of(stream));
  typename Coding::Contexts again;
  for (size_t i = 0; i < levels.size(); ++i)
    ASSERT_EQ(Coding::visit(decoder, again, predictions[i], 0), levels[i]) << i;
}

TEST(Bins, RandomLevelsInRandomContextsComeBack) {
  for (uint64_t seed = 0; seed < 20; ++seed) {
    check_random_bins<LevelCoding<false>>(seed);
    check_random_bins<TokenCoding>(seed);
  }
}

TEST(Bins, CertainBinsCostLittle) {
  std::string stream;
  RangeEncoder encoder(stream);
  BinContext context;
  for (int i = 0; i < 100000; ++i) encoder.bit(context, true);
  encoder.finish();
  EXPECT_LT(stream.size(), 60u);  // 2^-12 each would be 4.4 bytes; the way there costs the rest
}

TEST(Bins, CarriesRunThrough) {
  // Long runs of ones in `low` that a late carry turns around.
  for (uint64_t seed = 0; seed < 200; ++seed) {
    Rng rng(seed);
    std::vector<bool> bins(400);
    for (size_t i = 0; i < bins.size(); ++i) bins[i] = rng.below(100) == 0;
    std::string stream;
    RangeEncoder encoder(stream);
    BinContext context(65000), decoded(65000);
    for (bool bin : bins) encoder.bit(context, bin);
    encoder.finish();
    RangeDecoder decoder(bytes_of(stream));
    for (size_t i = 0; i < bins.size(); ++i) ASSERT_EQ(decoder.bit(decoded), bins[i]) << seed << " " << i;
  }
}

TEST(SymbolContext, SharesStayPositiveAndFindInverts) {
  Rng rng(1);
  for (int64_t spread : {1, 3, 16}) {
    SymbolContext context;
    for (int i = 0; i < 5000; ++i) {
      context.update(static_cast<uint32_t>(rng.below(spread)));
      for (uint32_t s = 0; s < kTokens; ++s) {
        ASSERT_LT(context.below(s), context.below(s + 1)) << spread << " " << i;
        ASSERT_EQ(context.find(context.below(s)), s);
        ASSERT_EQ(context.find(context.below(s + 1) - 1), s);
      }
    }
  }
  for (int k = 0; k < kMagnitudes; ++k) {
    const SymbolContext context(laplace_init(k));
    for (uint32_t s = 0; s < kTokens; ++s) ASSERT_LT(context.below(s), context.below(s + 1)) << k;
  }
}

}  // namespace
}  // namespace tercel::codec
