// What the kernels know of a layer. Host and device compile this text: whole numbers of 32 bits only, so that both see
// the same bytes.
#ifndef TERCEL_PIPELINE_LAYER_H
#define TERCEL_PIPELINE_LAYER_H

/// How the convolution stage uses its multipliers.
#define LAYER_DOT 0      ///< sums over channels: convolution, fully connected
#define LAYER_CHANNEL 1  ///< each channel by itself: depthwise convolution, average pool, copy

/// One trip of data through the pipeline: feature maps from memory, and back. Levels are signed; u8 levels are stored
/// less 128. Feature maps lie as [image][channel word][row][column] of words of VEC channels.
typedef struct Layer {
  int mode;
  int images;       ///< of the batch, one after the other
  int lane_groups;  ///< groups of LANE output channels, over all channel groups
  int bands;        ///< tiles per image and lane group
  int band_rows;    ///< rows of the result per tile

  // the input
  int in_at;           ///< first word
  int in_image_words;  ///< from one image to the next
  int in_words;        ///< channel words that may be read; beyond them is padding
  int in_h, in_w;      ///< in_w counts the columns of all images that lie side by side
  int image_w;         ///< columns of one image
  int pad_level;       ///< the level of zero

  // the window
  int kernel_h, kernel_w, stride_h, stride_w, dilation_h, dilation_w, pad_top, pad_left;
  int words_per_tap;      ///< channel words read at each tap
  int groups_of_lanes;    ///< lane groups per channel group
  int channels_in_group;  ///< input channels of a channel group
  int taps;               ///< words of one window: kernel_h * kernel_w * words_per_tap
  int group;              ///< pixels of a window group: WINDOW_X, or fewer where windows are large
  int keep_weights;       ///< they fit the buffer, and are used again

  // the result of the convolution, and of the pool behind it
  int out_h, out_w;
  int pool_h, pool_w, pool_stride_h, pool_stride_w, pool_top, pool_left;  ///< 1, 1, 1, 1, 0, 0: no pool
  int pooled_h, pooled_w;
  int low, high, zero;  ///< range of the levels, and the zero point

  // where the result goes
  int out_at, out_image_words, out_plane, out_image_w;  ///< out_image_w: columns of one image in pooled_w
  int out_channel;                                      ///< first channel in its feature map
  int channels_to_group;                                ///< output channels of a channel group

  // the residual added on the way out; add = 0: none
  int add;
  int add_at, add_image_words, add_plane, add_channel;
  int add_zero;                                ///< of the residual's levels
  int add_multiplier, sum_multiplier;          ///< of the residual, and of this layer's levels
  int add_shift, sum_low, sum_high, sum_zero;  ///< of the sum

  int weights_at;  ///< first weight word
  int scales_at;   ///< first scale word
} Layer;

/// Local response normalization over channels, one pixel at a time.
typedef struct Norm {
  int in_at, in_image_words, out_at, out_image_words, plane, images;
  int channels, size;
  int in_zero, out_zero, low, high;
  int table_at, shift;
} Norm;

#endif
