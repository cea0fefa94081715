// The seam of the multipliers: what the words of a window group do to its sums. All forms give the same bits: sums are
// whole numbers, and those of a window fit 32 bits (lower_quantized sees to it).
#ifndef TERCEL_PIPELINE_MULTIPLY_ACCUMULATE_H
#define TERCEL_PIPELINE_MULTIPLY_ACCUMULATE_H

/// VEC x LANE multiply-accumulates.
static inline void mac_word(sum_word* sum, const vec_word* word, const weight_word* weight) {
#pragma unroll
  for (int l = 0; l < LANE; ++l) {
    int dot = 0;
#pragma unroll
    for (int v = 0; v < VEC; ++v) dot += (int)word->at[v] * (int)weight->at[(v / 2 * LANE + l) * 2 + v % 2];
    sum->at[l] += dot;
  }
}

/// Each channel by its own weight. Words fill the lanes one after the other; where a word has more channels than there
/// are lanes, a lane group takes its part.
static inline void mac_channels(sum_word* sum, const vec_word* word, const weight_word* weight, int tap,
                                int lane_group) {
  const int first = LANE > VEC ? tap % (LANE > VEC ? LANE / VEC : 1) * VEC : 0;
  const int from = LANE < VEC ? lane_group * LANE % VEC : 0;
#pragma unroll
  for (int v = 0; v < (VEC < LANE ? VEC : LANE); ++v)
    sum->at[first + v] += (int)word->at[from + v] * (int)weight->at[from + v];
}

#if defined(TERCEL_CHANNELS_INTEL) || defined(TERCEL_CHANNELS_THREADS)

#define KEPT_WEIGHTS              \
  weight_word kept[WEIGHT_WORDS]; \
  int kept_group = -1;
#define CONVOLVE_GROUP(from, pixels, layer, lane_group)                                                       \
  do {                                                                                                        \
    convolve_group(from, kept, kept_group != lane_group || !layer->keep_weights, layer->keep_weights, pixels, \
                   layer->taps, layer->mode, lane_group AND_CHANNEL_ARGUMENTS);                               \
    kept_group = lane_group;                                                                                  \
  } while (0)

/// A word a clock. The sums of the pixels take turns; the last word of each goes on with its sum at once.
static inline void convolve_group(__global const weight_word* restrict from, weight_word* kept, int fresh, int keep,
                                  int pixels, int taps, int mode, int lane_group AND_CHANNELS) {
  sum_word sums_of[WINDOW_X];
  weight_word weight;
  for (int k = 0; k < taps; ++k)
#pragma ii 1
    for (int g = 0; g < pixels; ++g) {
      TICK();
      if (g == 0) {
        if (fresh) {
          weight = from[k];
          if (keep) kept[k] = weight;
        } else {
          weight = kept[k];
        }
      }
      const vec_word word = CH_READ(data);
      sum_word sum = sums_of[g];
      if (k == 0) {
#pragma unroll
        for (int l = 0; l < LANE; ++l) sum.at[l] = 0;
      }
      if (mode == LAYER_DOT) mac_word(&sum, &word, &weight);
      else mac_channels(&sum, &word, &weight, k, lane_group);
      sums_of[g] = sum;
      if (k == taps - 1) CH_WRITE(sums, sum);
    }
}

#else

// The words of a tile lie in a ring: sums of several pixels stay in registers while the taps go by. The cache is the
// buffer of weights.
#if LANE >= 8

/// Sums of neighbouring products: levels of 16 bits, eight lanes of two channels each.
#if defined(__AVX2__) && defined(__has_builtin)
#if __has_builtin(__builtin_ia32_pmaddwd256)
#define DOT_PAIRS(a, b) __builtin_ia32_pmaddwd256(a, b)
#endif
#endif
#ifndef DOT_PAIRS
// By shifts: Oclgrind takes (a).odd for a value that nobody set.
#define LOWER_HALVES(a) ((as_int8(a) << 16) >> 16)
#define UPPER_HALVES(a) (as_int8(a) >> 16)
#define DOT_PAIRS(a, b) (LOWER_HALVES(a) * LOWER_HALVES(b) + UPPER_HALVES(a) * UPPER_HALVES(b))
#endif

/// Levels of a word as pairs of 16 bits.
#if VEC == 4
#define STORE_PAIRS(word, pairs) vstore2(as_int2(convert_short4(vload4(0, (word).at))), 0, pairs)
#elif VEC == 8
#define STORE_PAIRS(word, pairs) vstore4(as_int4(convert_short8(vload8(0, (word).at))), 0, pairs)
#else
#define STORE_PAIRS(word, pairs)                       \
  _Pragma("unroll") for (int i = 0; i < VEC / 16; ++i) \
      vstore8(as_int8(convert_short16(vload16(i, (word).at))), i, pairs)
#endif

/// The sums of COUNT pixels of a window group of `pixels`.
#define DEFINE_DOTS(COUNT)                                                                                            \
  static inline void dots_##COUNT(__global const weight_word* restrict from, __global const vec_word* restrict words, \
                                  int pixels, int taps, __global sum_word* restrict results) {                        \
    int8 sums_of[COUNT][LANE / 8];                                                                                    \
    _Pragma("unroll") for (int g = 0; g < COUNT; ++g) _Pragma("unroll") for (int b = 0; b < LANE / 8; ++b)            \
        sums_of[g][b] = (int8)(0);                                                                                    \
    for (int k = 0; k < taps; ++k) {                                                                                  \
      int pairs[COUNT][VEC / 2];                                                                                      \
      _Pragma("unroll") for (int g = 0; g < COUNT; ++g) STORE_PAIRS(words[k * pixels + g], pairs[g]);                 \
      _Pragma("unroll 1") for (int p = 0; p < VEC / 2; ++p) _Pragma("unroll") for (int b = 0; b < LANE / 8; ++b) {    \
        const short16 w = convert_short16(((__global const char16*)from[k].at)[p * (LANE / 8) + b]);                  \
        _Pragma("unroll") for (int g = 0; g < COUNT; ++g) sums_of[g][b] +=                                            \
            DOT_PAIRS(w, as_short16((int8)(pairs[g][p])));                                                            \
      }                                                                                                               \
    }                                                                                                                 \
    _Pragma("unroll") for (int g = 0; g < COUNT; ++g) _Pragma("unroll") for (int b = 0; b < LANE / 8; ++b)            \
        vstore8(sums_of[g][b], b, (__global int*)results[g].at);                                                      \
  }

#else

#define DEFINE_DOTS(COUNT)                                                                                            \
  static inline void dots_##COUNT(__global const weight_word* restrict from, __global const vec_word* restrict words, \
                                  int pixels, int taps, __global sum_word* restrict results) {                        \
    for (int g = 0; g < COUNT; ++g) {                                                                                 \
      sum_word sum;                                                                                                   \
      for (int l = 0; l < LANE; ++l) sum.at[l] = 0;                                                                   \
      for (int k = 0; k < taps; ++k) {                                                                                \
        const vec_word word = words[k * pixels + g];                                                                  \
        const weight_word weight = from[k];                                                                           \
        mac_word(&sum, &word, &weight);                                                                               \
      }                                                                                                               \
      results[g] = sum;                                                                                               \
    }                                                                                                                 \
  }

#endif

#define KEPT_WEIGHTS
#define CONVOLVE_GROUP(from, pixels, layer, lane_group) \
  convolve_group(from, pixels, layer->taps, layer->mode, lane_group, channels)

DEFINE_DOTS(1)
DEFINE_DOTS(2)
DEFINE_DOTS(4)
DEFINE_DOTS(7)

static inline void convolve_group(__global const weight_word* restrict from, int pixels, int taps, int mode,
                                  int lane_group, Channels* channels) {
  __global const vec_word* words = channels->data + channels->data_read;
  __global sum_word* results = channels->sums + channels->sums_written;
  channels->data_read += taps * pixels;
  channels->sums_written += pixels;
  int done = 0;
  if (mode == LAYER_DOT) {
    for (; done + 7 <= pixels; done += 7) dots_7(from, words + done, pixels, taps, results + done);
    if (done + 4 <= pixels) {
      dots_4(from, words + done, pixels, taps, results + done);
      done += 4;
    }
    if (done + 2 <= pixels) {
      dots_2(from, words + done, pixels, taps, results + done);
      done += 2;
    }
    if (done < pixels) dots_1(from, words + done, pixels, taps, results + done);
    return;
  }
  for (; done < pixels; ++done) {
    sum_word sum;
#pragma unroll
    for (int l = 0; l < LANE; ++l) sum.at[l] = 0;
    for (int k = 0; k < taps; ++k) {
      const vec_word word = words[k * pixels + done];
      const weight_word weight = from[k];
      mac_channels(&sum, &word, &weight, k, lane_group);
    }
    results[done] = sum;
  }
}

#endif
#endif
