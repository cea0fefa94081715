// The pipeline: mem_read -> conv -> requantize -> pool -> mem_write, joined by channels; and normalization across
// channels, a pass of its own.
//
// A stage goes through the tiles first_tile, first_tile + 1, ... All stages see the same tiles in the same order, and
// within a tile rows from the top, window groups from the left. A window group is up to WINDOW_X neighbouring pixels:
// each weight word meets all of them before the next one is needed, so that WINDOW_X words hide the latency of an
// accumulator, and a weight is read once in WINDOW_X clocks.
//
// Compiled as one text behind layer.h, channels.h and multiply_accumulate.h (cmake/kernel_text.cmake).
typedef struct {
  int lane_group, image;
  int first_pooled, pooled_rows;  ///< rows of the result
  int first_row, rows;            ///< rows of the convolution that they need
} Tile;

static inline Tile tile_of(__global const Layer* layer, int index) {
  Tile tile;
  const int band = index % layer->bands;
  tile.image = index / layer->bands % layer->images;
  tile.lane_group = index / layer->bands / layer->images;
  tile.first_pooled = band * layer->band_rows;
  tile.pooled_rows = layer->pooled_h - tile.first_pooled;
  if (tile.pooled_rows > layer->band_rows) tile.pooled_rows = layer->band_rows;
  tile.first_row = tile.first_pooled * layer->pool_stride_h - layer->pool_top;
  int end = tile.first_row + (tile.pooled_rows - 1) * layer->pool_stride_h + layer->pool_h;
  if (tile.first_row < 0) tile.first_row = 0;
  if (end > layer->out_h) end = layer->out_h;
  tile.rows = end - tile.first_row;
  return tile;
}

/// A window group: where its windows lie in the input, and how many words they have.
typedef struct {
  int tile, row, x;  ///< of the convolution's result
  int rows_left;     ///< of the tile, this one among them
  int pixels, columns;
  int image, first_word;
  int in_row, in_column;
  int to_load, to_send;
} Window;

static inline void enter_group(__global const Layer* layer, Window* w) {
  w->pixels = layer->out_w - w->x < layer->group ? layer->out_w - w->x : layer->group;
  const int reach = (layer->kernel_w - 1) * layer->dilation_w + 1;
  // Windows that do not touch are loaded one by one.
  w->columns = layer->stride_w < reach ? (w->pixels - 1) * layer->stride_w + reach : w->pixels * reach;
  w->in_row = w->row * layer->stride_h - layer->pad_top;
  w->in_column = w->x * layer->stride_w - layer->pad_left;
  w->to_load = layer->kernel_h * w->columns * layer->words_per_tap;
  w->to_send = layer->taps * w->pixels;
}

static inline void enter_tile(__global const Layer* layer, Window* w) {
  const Tile tile = tile_of(layer, w->tile);
  w->image = tile.image;
  w->first_word = layer->mode == LAYER_DOT
                      ? tile.lane_group / layer->groups_of_lanes * layer->channels_in_group / VEC
                      : tile.lane_group * LANE / VEC;
  w->row = tile.first_row;
  w->rows_left = tile.rows;
  w->x = 0;
}

/// The next window group; 0 where there is none before tile `end`.
static inline int next_group(__global const Layer* layer, Window* w, int end) {
  w->x += layer->group;
  if (w->x >= layer->out_w) {
    w->x = 0;
    w->row += 1;
    w->rows_left -= 1;
    if (w->rows_left == 0) {
      w->tile += 1;
      if (w->tile == end) return 0;
      enter_tile(layer, w);
    }
  }
  enter_group(layer, w);
  return 1;
}

static inline vec_word feature_at(__global const Layer* layer, __global const vec_word* features, const Window* w,
                                  int row, int column, int word) {
  if (row < 0 || row >= layer->in_h || column < 0 || column >= layer->in_w || word >= layer->in_words) {
    vec_word padding;
#pragma unroll
    for (int v = 0; v < VEC; ++v) padding.at[v] = (s8)layer->pad_level;
    return padding;
  }
  const int beside = layer->in_w != layer->image_w ? column / layer->image_w : 0;
  return features[layer->in_at + (w->image + beside) * layer->in_image_words +
                  (word * layer->in_h + row) * layer->image_w + column - beside * layer->image_w];
}

/// Windows into a buffer, and their taps out of it: while one window group is sent, the next is loaded.
/// Order of taps: row, column, channel word; and at each the pixels of the group.
STAGE mem_read(__global const Layer* restrict layer, __global const vec_word* restrict features, int first_tile,
               int tiles AND_CHANNELS) {
  vec_word buffer[2][WINDOW_WORDS];
  const int end = first_tile + tiles;
  const int words = layer->words_per_tap;
  const int reach = (layer->kernel_w - 1) * layer->dilation_w + 1;
  Window now, next;
  next.tile = first_tile;
  enter_tile(layer, &next);
  enter_group(layer, &next);
  now = next;
  now.to_send = 0;  // the first round only loads
  int side = 0, more = 1;
  while (more || now.to_send > 0) {
    const int to_load = more ? next.to_load : 0;
    const int rounds = to_load > now.to_send ? to_load : now.to_send;
    const int step = layer->stride_w < reach ? layer->stride_w : reach;  // columns from pixel to pixel
    int load_word = 0, load_column = 0, load_row = 0, in_column = next.in_column;
    int send_pixel = 0, send_word = 0, send_kx = 0, send_ky = 0;
#pragma ii 1
    for (int i = 0; i < rounds; ++i) {
      TICK();
      if (i < to_load) {
        buffer[side ^ 1][i] = feature_at(layer, features, &next, next.in_row + load_row * layer->dilation_h,
                                         in_column, next.first_word + load_word);
        if (++load_word == words) {
          load_word = 0;
          ++load_column;
          ++in_column;
          if (layer->stride_w > reach && load_column % reach == 0) in_column += layer->stride_w - reach;
          if (load_column == next.columns) {
            load_column = 0;
            ++load_row;
            in_column = next.in_column;
          }
        }
      }
      if (i < now.to_send) {
        const int column = send_pixel * step + send_kx * layer->dilation_w;
        CH_WRITE(data, buffer[side][(send_ky * now.columns + column) * words + send_word]);
        if (++send_pixel == now.pixels) {
          send_pixel = 0;
          if (++send_word == words) {
            send_word = 0;
            if (++send_kx == layer->kernel_w) {
              send_kx = 0;
              ++send_ky;
            }
          }
        }
      }
    }
    now = next;
    if (!more) now.to_send = 0;
    side ^= 1;
    more = more && next_group(layer, &next, end);
  }
}

/// Sums of products. Weights come from memory with the first window group of a lane group, and stay.
STAGE conv(__global const Layer* restrict layer, __global const weight_word* restrict weights, int first_tile,
           int tiles AND_CHANNELS) {
  KEPT_WEIGHTS
  for (int index = first_tile; index < first_tile + tiles; ++index) {
    const Tile tile = tile_of(layer, index);
    __global const weight_word* from = weights + layer->weights_at + (long)tile.lane_group * layer->taps;
    for (int row = 0; row < tile.rows; ++row)
      for (int x = 0; x < layer->out_w; x += layer->group) {
        const int pixels = layer->out_w - x < layer->group ? layer->out_w - x : layer->group;
        CONVOLVE_GROUP(from, pixels, layer, tile.lane_group);
      }
  }
}

/// sum -> sum * multiplier * 2^-shift, to the nearest level, halves to even, within the range. Shifts are of positive
/// numbers, 2^62 more than meant: many processors have no other of 64 bits.
#define ROUNDED(product, shift, one) \
  (((product) + (((one) << 62) - (one) + ((one) << ((shift) - (one)))) + (((product) >> (shift)) & (one))) >> (shift))

static inline s8 level_of_sum(long sum, int multiplier, int shift, int zero, int low, int high) {
  const unsigned long one = 1;
  const unsigned long rounded = ROUNDED((unsigned long)(sum * multiplier), (unsigned long)shift, one);
  const long level = (long)(rounded - (one << (62 - shift))) + zero;
  return (s8)(level < low ? low : level > high ? high : level);
}

#if defined(__OPENCL_VERSION__) && !defined(TERCEL_CHANNELS_INTEL) && LANE >= 8

static inline lane_word levels_of_sums(__global const sum_word* sums, const scale_word* scale, int zero, int low,
                                       int high) {
  lane_word levels;
#pragma unroll
  for (int b = 0; b < LANE / 8; ++b) {
    const long8 sum = convert_long8(vload8(b, sums->at)) + convert_long8(vload8(b, scale->bias));
    const ulong8 product = as_ulong8(sum * convert_long8(vload8(b, scale->multiplier)));
    const ulong8 shift = as_ulong8(convert_long8(vload8(b, scale->shift))), one = (ulong8)(1);
    const long8 level = as_long8(ROUNDED(product, shift, one) - (one << (62 - shift))) + (long8)(zero);
    vstore8(convert_char8(clamp(level, (long8)(low), (long8)(high))), b, levels.at);
  }
  return levels;
}
#define LEVELS_OF_NEXT_SUMS(scale, zero, low, high) \
  levels_of_sums(&channels->sums[channels->sums_read++], scale, zero, low, high)

#else

static inline lane_word levels_of_sums(sum_word sums, const scale_word* scale, int zero, int low, int high) {
  lane_word levels;
#pragma unroll
  for (int l = 0; l < LANE; ++l)
    levels.at[l] =
        level_of_sum((long)sums.at[l] + scale->bias[l], scale->multiplier[l], scale->shift[l], zero, low, high);
  return levels;
}
#define LEVELS_OF_NEXT_SUMS(scale, zero, low, high) levels_of_sums(CH_READ(sums), scale, zero, low, high)

#endif

STAGE requantize(__global const Layer* restrict layer, __global const scale_word* restrict scales, int first_tile,
                 int tiles AND_CHANNELS) {
  for (int index = first_tile; index < first_tile + tiles; ++index) {
    const Tile tile = tile_of(layer, index);
    const scale_word scale = scales[layer->scales_at + tile.lane_group];
    const int zero = layer->zero, low = layer->low, high = layer->high;
    const int pixels = tile.rows * layer->out_w;
#pragma ii 1
    for (int i = 0; i < pixels; ++i) {
      TICK();
      const lane_word level = LEVELS_OF_NEXT_SUMS(&scale, zero, low, high);
      CH_WRITE(levels, level);
    }
  }
}

/// Maxima over windows of the levels that stream by. Without a pool every level is its own maximum.
STAGE pool(__global const Layer* restrict layer, int first_tile, int tiles AND_CHANNELS) {
  lane_word lines[POOL_LINES][POOL_COLUMNS];
  const int pools = layer->pool_h != 1 || layer->pool_w != 1 || layer->pool_stride_h != 1 || layer->pool_stride_w != 1;
  for (int index = first_tile; index < first_tile + tiles; ++index) {
    const Tile tile = tile_of(layer, index);
    if (!pools) {
      const int pixels = tile.rows * layer->out_w;
#pragma ii 1
      for (int i = 0; i < pixels; ++i) {
        TICK();
        const lane_word level = CH_READ(levels);
        CH_WRITE(pooled, level);
      }
      continue;
    }
    int done = 0;  // pooled rows
    for (int y = tile.first_row; y < tile.first_row + tile.rows; ++y) {
      for (int x = 0; x < layer->out_w; ++x) {
        TICK();
        lines[y % POOL_LINES][x] = CH_READ(levels);
      }
      while (done < tile.pooled_rows) {
        const int top = (tile.first_pooled + done) * layer->pool_stride_h - layer->pool_top;
        int bottom = top + layer->pool_h - 1;
        if (bottom > layer->out_h - 1) bottom = layer->out_h - 1;
        if (bottom > y) break;
        for (int x = 0; x < layer->pooled_w; ++x) {
          const int left = x * layer->pool_stride_w - layer->pool_left;
          const int right = left + layer->pool_w < layer->out_w ? left + layer->pool_w : layer->out_w;
          lane_word most;
#pragma unroll
          for (int l = 0; l < LANE; ++l) most.at[l] = -128;
          for (int py = top < 0 ? 0 : top; py <= bottom; ++py)
            for (int px = left < 0 ? 0 : left; px < right; ++px) {
              TICK();
              const lane_word level = lines[py % POOL_LINES][px];
#pragma unroll
              for (int l = 0; l < LANE; ++l) most.at[l] = level.at[l] > most.at[l] ? level.at[l] : most.at[l];
            }
          CH_WRITE(pooled, most);
        }
        ++done;
      }
    }
  }
}

/// LANE channels of a pixel to their feature map, the residual added where there is one.
STAGE mem_write(__global const Layer* restrict layer, __global const s8* residuals,
                __global s8* features, int first_tile, int tiles AND_CHANNELS) {
  for (int index = first_tile; index < first_tile + tiles; ++index) {
    const Tile tile = tile_of(layer, index);
    const int channel_group = tile.lane_group / layer->groups_of_lanes;
    const int first_lane = tile.lane_group % layer->groups_of_lanes * LANE;
    const int left = layer->channels_to_group - first_lane;
    const int lanes = left < LANE ? left : LANE;
    const int first = channel_group * layer->channels_to_group + first_lane;
    const int to = layer->out_channel + first, from = layer->add_channel + first;
    const int aligned = to % VEC == 0 && from % VEC == 0;
    for (int y = tile.first_pooled; y < tile.first_pooled + tile.pooled_rows; ++y)
      for (int x = 0; x < layer->pooled_w; ++x) {
        TICK();
        lane_word level = CH_READ(pooled);
        const int beside = layer->out_image_w != layer->pooled_w ? x / layer->out_image_w : 0;
        const int image = tile.image + beside;
        const int pixel = y * layer->out_image_w + x - beside * layer->out_image_w;
        if (layer->add) {
          const long base = (long)layer->add_at + (long)image * layer->add_image_words + pixel;
#pragma unroll
          for (int l = 0; l < LANE; ++l) {
            const int c = aligned || l < lanes ? from + l : from;
            const s8 residual =
                l < lanes ? residuals[(base + (long)(c / VEC) * layer->add_plane) * VEC + c % VEC] : 0;
            const long sum = (long)(level.at[l] - layer->zero) * layer->sum_multiplier +
                             (long)(residual - layer->add_zero) * layer->add_multiplier;
            level.at[l] = level_of_sum(sum, 1, layer->add_shift, layer->sum_zero, layer->sum_low, layer->sum_high);
          }
        }
        const long base = (long)layer->out_at + (long)image * layer->out_image_words + pixel;
        if (aligned && lanes == LANE && LANE >= VEC) {
#pragma unroll
          for (int l = 0; l < LANE; l += VEC) {
            __global vec_word* word = (__global vec_word*)features + base + (long)((to + l) / VEC) * layer->out_plane;
            vec_word chunk;
#pragma unroll
            for (int v = 0; v < VEC; ++v) chunk.at[v] = level.at[(l + v) % LANE];
            *word = chunk;
          }
        } else {
          for (int l = 0; l < lanes; ++l) {
            const int c = to + l;
            features[(base + (long)(c / VEC) * layer->out_plane) * VEC + c % VEC] = level.at[l];
          }
        }
      }
  }
}

/// y = x * factor(sum of x^2 over neighbouring channels). The factor falls smoothly: a table has 16 places an octave,
/// and a straight line between them.
static inline void normalize_pixel(__global const Norm* restrict norm, __global const int* restrict table,
                      __global const s8* features, __global s8* results, int image, int pixel) {
  __global const s8* from = features + ((long)norm->in_at + (long)image * norm->in_image_words + pixel) * VEC;
  __global s8* to = results + ((long)norm->out_at + (long)image * norm->out_image_words + pixel) * VEC;
  __global const int* factors = table + norm->table_at;
  const int below = (norm->size - 1) / 2, above = norm->size / 2;
  const long word = (long)norm->plane * VEC;
  int squares = 0;
  for (int c = 0; c < above && c < norm->channels; ++c) {
    const int x = from[c / VEC * word + c % VEC] - norm->in_zero;
    squares += x * x;
  }
  for (int c = 0; c < norm->channels; ++c) {
    if (c + above < norm->channels) {
      const int x = from[(c + above) / VEC * word + (c + above) % VEC] - norm->in_zero;
      squares += x * x;
    }
    if (c - below - 1 >= 0) {
      const int x = from[(c - below - 1) / VEC * word + (c - below - 1) % VEC] - norm->in_zero;
      squares -= x * x;
    }
    int octave = 0;
    while ((squares >> octave) >= 32) ++octave;
    const int place = octave * 16 + (squares >> octave), rest = squares & ((1 << octave) - 1);
    const int factor =
        factors[place] - (int)((((long)factors[place] - factors[place + 1]) * rest) >> octave);
    const int x = from[c / VEC * word + c % VEC] - norm->in_zero;
    to[c / VEC * word + c % VEC] = level_of_sum(x, factor, norm->shift, norm->out_zero, norm->low, norm->high);
  }
}

#ifdef __OPENCL_VERSION__

/// One work-item does a pixel.
__kernel void run_norm(__global const Norm* restrict norm, __global s8* features,
                        __global const int* restrict table, int image) {
  normalize_pixel(norm, table, features, features, image, (int)get_global_id(0));
}

#ifndef TERCEL_CHANNELS_INTEL

/// One work-item does a tile. Its rings are those of its group.
__kernel void run_tiles(__global const Layer* restrict layer, __global vec_word* features,
                       __global const weight_word* restrict weights, __global const scale_word* restrict scales,
                       __global s8* rings, int ring_bytes, int data_words, int row_words, int first_tile) {
  __global s8* mine = rings + (long)get_group_id(0) * ring_bytes;
  Channels state;
  state.data = (__global vec_word*)mine;
  mine += (long)data_words * VEC;
  state.sums = (__global sum_word*)mine;
  mine += (long)row_words * 4 * LANE;
  state.levels = (__global lane_word*)mine;
  mine += (long)row_words * LANE;
  state.pooled = (__global lane_word*)mine;
  state.data_read = state.data_written = state.sums_read = state.sums_written = 0;
  state.levels_read = state.levels_written = state.pooled_read = state.pooled_written = 0;
  Channels* channels = &state;
  const int tile = first_tile + (int)get_group_id(0);
  mem_read(layer, features, tile, 1, channels);
  conv(layer, weights, tile, 1, channels);
  requantize(layer, scales, tile, 1, channels);
  pool(layer, tile, 1, channels);
  mem_write(layer, (__global const s8*)features, (__global s8*)features, tile, 1, channels);
}

#endif
#endif
