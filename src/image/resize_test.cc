#include "image/resize.h"

#include "image/picture_testing.h"

namespace tercel::inline image {
namespace {

using namespace testing;

struct Small {
  Image (*source)(int width, int height);
  int from_width, from_height, width, height;
  Interpolation interpolation;
  std::string_view pixels;
};

// Image.resize of Pillow 9.4 on the same pictures.
const Small kSmall[] = {
    {ramps, 13, 9, 5, 4, Interpolation::nearest,
     "14314e223f5c3754714c69865a77942e4b683c5976516e8b6683a07491ae4865825673906b88a5809dba8eabc8627f9c708daa85a2bf"
     "9ab7d4a8c5e2"},
    {ramps, 13, 9, 9, 8, Interpolation::nearest,
     "001d3a0e2b4815324f23405d2a4764314e6b3f5c7946638054718e0d2a471b3855223f5c304d6a3754713e5b784c698653708d617e9b"
     "1a37542845622f4c693d5a7744617e4b6885597693607d9a6e8ba827446135526f3c59764a6784516e8b5875926683a06d8aa77b98b5"
     "415e7b4f6c8956739064819e6b88a5728fac809dba87a4c195b2cf4e6b885c799663809d718eab7895b27f9cb98daac794b1cea2bfdc"
     "5b78956986a3708daa7e9bb885a2bf8ca9c69ab7d4a1bedbafcce96885a27693b07d9ab78ba8c592afcc99b6d3a7c4e1aecbe8bcd9f6"},
    {ramps, 13, 9, 17, 3, Interpolation::nearest,
     "0d2a4714314e14314e1b3855223f5c294663294663304d6a3754713e5b7845627f45627f4c698653708d5a77945a7794617e9b34516e"
     "3b58753b5875425f7c496683506d8a506d8a5774915e7b9865829f6c89a66c89a67390ad7a97b4819ebb819ebb88a5c25b7895627f9c"
     "627f9c6986a3708daa7794b17794b17e9bb885a2bf8ca9c693b0cd93b0cd9ab7d4a1bedba8c5e2a8c5e2afcce9"},
    {ramps, 13, 9, 5, 4, Interpolation::bilinear,
     "122f4c23405d35526f4764815875922c49663d5a774f6c89617e9b728fac4a67845b78956d8aa77f9cb990adca64819e7592af87a4c1"
     "99b6d3aac7e4"},
    {ramps, 13, 9, 9, 8, Interpolation::bilinear,
     "04213e0e2b48183552223f5c2c4966365370405d7a4a678454718e122f4c1c3956264360304d6a3a577444617e4e6b88587592627f9c"
     "213e5b2b486535526f3f5c7949668353708d5d7a976784a1718eab2f4c6939567343607d4d6a87577491617e9b6b88a57592af7f9cb9"
     "3d5a77476481516e8b5b789565829f6f8ca97996b383a0bd8daac74b688555728f5f7c996986a37390ad7d9ab787a4c191aecb9bb8d5"
     "5a779464819e6e8ba87895b2829fbc8ca9c696b3d0a0bddaaac7e46885a2728fac7c99b686a3c090adca9ab7d4a4c1deaecbe8b8d5f2"},
    {ramps, 13, 9, 17, 3, Interpolation::bilinear,
     "102d4a15324f1a37541f3c5925425f2a47642f4c6935526f3a57743f5c7945627f4a67844f6c8955728f5a77945f7c9964819e34516e"
     "3956733e5b7843607d4966834e6b8853708d5976935e7b9863809d6986a36e8ba87390ad7996b37e9bb883a0bd88a5c25875925d7a97"
     "627f9c6784a16d8aa7728fac7794b17d9ab7829fbc87a4c18daac792afcc97b4d19dbad7a2bfdca7c4e1acc9e6"},
    {ramps, 13, 9, 5, 4, Interpolation::bicubic,
     "0f2c49203d5a33506d4663805774912b48653c59764f6c89627f9c7390ad4966835a77946d8aa7809dba91aecb65829f7693b089a6c3"
     "9cb9d6adcae7"},
    {ramps, 13, 9, 9, 8, Interpolation::bicubic,
     "03203d0c2946173451213e5b2b486535526f3f5c794a678453708d112e4b1a375425425f2f4c6939567343607d4d6a87587592617e9b"
     "203d5a29466334516e3e5b78486582526f8c5c79966784a1708daa2f4c6938557243607d4d6a87577491617e9b6b88a57693b07f9cb9"
     "3d5a77466380516e8b5b789565829f6f8ca97996b384a1be8daac74c698655728f607d9a6a87a47491ae7e9bb888a5c293b0cd9cb9d6"
     "5b789564819e6f8ca97996b383a0bd8daac797b4d1a2bfdcabc8e56986a3728fac7d9ab787a4c191aecb9bb8d5a5c2dfb0cdeab9d6f3"},
    {ramps, 13, 9, 17, 3, Interpolation::bicubic,
     "0e2b48122f4c1835521d3a5723405d2845622d4a6733506d3855723d5a7743607d4865824d6a8753708d5875925e7b98627f9c34516e"
     "3855723e5b7843607d4966834e6b8853708d5976935e7b9863809d6986a36e8ba87390ad7996b37e9bb884a1be88a5c25a77945e7b98"
     "64819e6986a36f8ca97491ae7996b37f9cb984a1be89a6c38facc994b1ce99b6d39fbcd9a4c1deaac7e4aecbe8"},
    {fields, 13, 9, 5, 4, Interpolation::nearest,
     "00ff00ff00ff00ff00ff00ffff00ffff00ff00ff00ff00ff00ff0000ff0000ff00ff00ff00ff00ff00ffff00ffff00ff00ff00ff00ff"
     "00ff0000ff00"},
    {fields, 13, 9, 9, 8, Interpolation::nearest,
     "00ff0000ff00ff00ffff00ff00ff0000ff00ff00ffff00ff00ff0000ff0000ff00ff00ffff00ff00ff0000ff00ff00ffff00ff00ff00"
     "ff00ffff00ff00ff0000ff00ff00ffff00ff00ff0000ff00ff00ffff00ffff00ff00ff0000ff00ff00ffff00ff00ff0000ff00ff00ff"
     "00ff0000ff00ff00ffff00ff00ff0000ff00ff00ffff00ff00ff00ff00ffff00ff00ff0000ff00ff00ffff00ff00ff0000ff00ff00ff"
     "ff00ffff00ff00ff0000ff00ff00ffff00ff00ff0000ff00ff00ff00ff0000ff00ff00ffff00ff00ff0000ff00ff00ffff00ff00ff00"},
    {fields, 13, 9, 17, 3, Interpolation::nearest,
     "00ff0000ff0000ff0000ff00ff00ffff00ffff00ffff00ff00ff0000ff0000ff0000ff00ff00ffff00ffff00ffff00ff00ff0000ff00"
     "00ff0000ff0000ff00ff00ffff00ffff00ffff00ff00ff0000ff0000ff0000ff00ff00ffff00ffff00ffff00ff00ff00ff00ffff00ff"
     "ff00ffff00ff00ff0000ff0000ff0000ff00ff00ffff00ffff00ffff00ff00ff0000ff0000ff0000ff00ff00ff"},
    {fields, 13, 9, 5, 4, Interpolation::bilinear,
     "3dc23dac53ac639c638679869e619ea857a8659a65916e917b847b6d926d629d62936c93738c73837c838d728d9c639c6d926d8c738c"
     "7d827d728d72"},
    {fields, 13, 9, 9, 8, Interpolation::bilinear,
     "00ff000ef10ed926d9ff00ff31ce3100ff00bf40bfff00ff5aa55a40bf4047b847ac53acbf40bf58a75840bf409f609fbf40bf6d926d"
     "ff00fff10ef126d92600ff00ce31ceff00ff40bf4000ff00a55aa58c738c8b748b778877738c738778878c738c798679738c73837c83"
     "00ff000ef10ed926d9ff00ff31ce3100ff00bf40bfff00ff5aa55aa659a6a25da2659a6559a659976897a659a66c936c59a6598b748b"
     "ff00fff10ef126d92600ff00ce31ceff00ff40bf4000ff00a55aa526d92630cf30be41bed926d949b64926d926ac53acd926d9659a65"},
    {fields, 13, 9, 17, 3, Interpolation::bilinear,
     "609f60609f60609f606b946b9c639c9f609f9f609f906f90609f60609f60609f60728d729f609f9f609f9f609f897689609f60718e71"
     "718e71718e717689768c738c8e718e8e718e877887718e71718e71718e717a857a8e718e8e718e8e718e847b84718e719f609f9f609f"
     "9f609f946b94639c63609f60609f606f906f9f609f9f609f9f609f8d728d609f60609f60609f607689769f609f"},
    {fields, 13, 9, 5, 4, Interpolation::bicubic,
     "2fd02fb847b85da25d867986a25da2b54ab55aa55a9768977b847b6897685aa55a9a659a6f906f827d82906f90a35ca36699668f708f"
     "7d827d708f70"},
    {fields, 13, 9, 9, 8, Interpolation::bicubic,
     "00ff0000ff00ec13ecff00ff24db2400ff00c936c9ff00ff4fb04f31ce3131ce31c03fc0ce31ce49b64931ce31ab54abce31ce639c63"
     "ff00ffff00ff02fd0200ff00ea15eaff00ff2bd42b00ff00b847b8906f90906f90728d726f906f8b748b906f907689766f906f867986"
     "00ff0000ff00ff00ffff00ff11ee1100ff00d728d7ff00ff45ba45b14eb1b04fb058a7584eb14ea15ea1b14eb1659a654eb14e916e91"
     "ff00ffff00ff0bf40b00ff00e21de2ff00ff31ce3100ff00b44bb418e71819e619d32cd3e718e739c63918e718b847b8e718e75aa55a"},
    {fields, 13, 9, 17, 3, Interpolation::bicubic,
     "639c63639c63639c636a956a9a659a9c639c9c639c926d92639c63639c63639c63718e719c639c9c639c9c639c887788639c63788778"
     "7887787887787a857a877887877887877887847b847887787887787887787c837c877887877887877887827d82788778996699996699"
     "996699926d92689768669966669966708f709966999966999966998c738c669966669966669966788778996699"},
};

TEST(Resize, SmallPicturesAsPillow) {
  for (const Small& s : kSmall) {
    const Image resized = resize(s.source(s.from_width, s.from_height), s.width, s.height, s.interpolation);
    EXPECT_LE(largest_difference(levels(resized), from_hex(s.pixels)),
              s.interpolation == Interpolation::nearest ? 0 : 1)
        << s.width << " x " << s.height << " interpolation " << static_cast<int>(s.interpolation);
  }
}

struct Large {
  Image (*source)(int width, int height);
  int from_width, from_height, width, height;
  Interpolation interpolation;
  int64_t sum;                    ///< of all levels
  std::array<int, 3> samples[3];  ///< at the first pixel, the last, and (width / 2, height / 3)
};

const Large kLarge[] = {
    {ramps, 640, 427, 224, 149, Interpolation::nearest, 12769004, {{20, 49, 78}, {7, 36, 65}, {240, 13, 42}}},
    {ramps, 97, 61, 224, 224, Interpolation::nearest, 19180800, {{0, 29, 58}, {172, 201, 230}, {84, 113, 142}}},
    {ramps, 640, 427, 224, 149, Interpolation::bilinear, 12773702, {{24, 53, 82}, {88, 35, 61}, {182, 57, 46}}},
    {ramps, 97, 61, 224, 224, Interpolation::bilinear, 19180926, {{0, 29, 58}, {172, 201, 230}, {83, 112, 141}}},
    {ramps, 640, 427, 224, 149, Interpolation::bicubic, 12772886, {{20, 49, 78}, {71, 24, 64}, {192, 40, 38}}},
    {ramps, 97, 61, 224, 224, Interpolation::bicubic, 19180804, {{0, 27, 56}, {174, 203, 232}, {83, 112, 141}}},
    {fields, 640, 427, 224, 149, Interpolation::nearest, 12766320, {{0, 255, 0}, {0, 255, 0}, {255, 0, 255}}},
    {fields, 97, 61, 224, 224, Interpolation::nearest, 19192320, {{0, 255, 0}, {0, 255, 0}, {0, 255, 0}}},
    {fields, 640, 427, 224, 149, Interpolation::bilinear, 12768740, {{99, 156, 99}, {112, 143, 112}, {129, 126, 129}}},
    {fields, 97, 61, 224, 224, Interpolation::bilinear, 19191282, {{0, 255, 0}, {0, 255, 0}, {54, 201, 54}}},
    {fields, 640, 427, 224, 149, Interpolation::bicubic, 12768718, {{97, 158, 97}, {113, 142, 113}, {129, 126, 129}}},
    {fields, 97, 61, 224, 224, Interpolation::bicubic, 19191214, {{0, 255, 0}, {0, 255, 0}, {42, 213, 42}}},
};

TEST(Resize, LargePicturesAsPillow) {
  for (const Large& l : kLarge) {
    const Image resized = resize(l.source(l.from_width, l.from_height), l.width, l.height, l.interpolation);
    int64_t sum = 0;
    for (const uint8_t level : levels(resized)) sum += level;
    EXPECT_NEAR(static_cast<double>(sum), static_cast<double>(l.sum), 20);
    const std::array<std::pair<int, int>, 3> at{{{0, 0}, {l.width - 1, l.height - 1}, {l.width / 2, l.height / 3}}};
    for (size_t i = 0; i < at.size(); ++i)
      for (int c = 0; c < 3; ++c)
        EXPECT_NEAR(resized.row(at[i].second)[at[i].first * 3 + c], l.samples[i][static_cast<size_t>(c)], 1);
  }
}

constexpr Interpolation kAll[] = {Interpolation::nearest, Interpolation::bilinear, Interpolation::bicubic};

TEST(Resize, SameSizeIsTheSamePicture) {
  for (const Interpolation interpolation : kAll)
    EXPECT_EQ(largest_difference(resize(ramps(17, 5), 17, 5, interpolation), ramps(17, 5)), 0);
}

TEST(Resize, OneColourStaysOneColour) {
  const Image flat = picture(31, 17, [](int, int, int c) { return c * 127; });
  for (const Interpolation interpolation : kAll)
    for (const auto& [w, h] : {std::pair{1, 1}, std::pair{7, 100}, std::pair{200, 3}}) {
      const Image expected = picture(w, h, [](int, int, int c) { return c * 127; });
      EXPECT_EQ(largest_difference(resize(flat, w, h, interpolation), expected), 0);
      EXPECT_EQ(largest_difference(resize(crop(flat, 0, 0, 1, 1), w, h, interpolation), expected), 0);
    }
}

TEST(Resize, PartIsThatPartOfTheWhole) {
  for (const Interpolation interpolation : kAll)
    for (const auto& [w, h] : {std::pair{11, 8}, std::pair{60, 90}, std::pair{37, 23}}) {
      const Image source = ramps(37, 23);
      const Image whole = resize(source, w, h, interpolation);
      for (const PixelBox& part :
           {PixelBox{0, 0, w, h}, PixelBox{0, 0, 1, 1}, PixelBox{w - 1, h - 1, 1, 1}, PixelBox{3, 2, 5, 6}})
        EXPECT_EQ(largest_difference(resize_part(source, w, h, interpolation, part),
                                     crop(whole, part.x, part.y, part.width, part.height)),
                  0);
    }
}

TEST(Resize, ExtremeShapes) {
  for (const Interpolation interpolation : kAll) {
    EXPECT_EQ(resize(ramps(2000, 1), 1, 2000, interpolation).height(), 2000);
    EXPECT_EQ(resize(ramps(1, 2000), 2000, 1, interpolation).width(), 2000);
  }
}

TEST(Resize, Errors) {
  EXPECT_THROW(resize(ramps(4, 4), 0, 4, Interpolation::bilinear), Error);
  EXPECT_THROW(resize(ramps(4, 4), 4, -4, Interpolation::nearest), Error);
  EXPECT_THROW(resize(ramps(4, 4), 1 << 30, 1 << 30, Interpolation::bicubic), Error);
  EXPECT_THROW(resize(Image(), 4, 4, Interpolation::bicubic), Error);
}

}  // namespace
}  // namespace tercel::inline image
