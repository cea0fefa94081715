// The seam between stages: CH_READ(channel) and CH_WRITE(channel, word).
//
//   TERCEL_CHANNELS_INTEL    channels of Intel's SDK: every stage is a kernel, all run at once
//   TERCEL_CHANNELS_THREADS  compiled as C++: every stage is a thread, queues are bounded, time is counted
//   neither                  rings in global memory: one work-item does a tile, stage after stage, so that no two
//   kernels
//                            need run at once; a ring holds all that a stage sends for a tile
#ifndef TERCEL_PIPELINE_CHANNELS_H
#define TERCEL_PIPELINE_CHANNELS_H

/// A level or weight. OpenCL's char is signed, and its vector functions know no other name for it.
#ifdef __OPENCL_VERSION__
typedef char s8;
#else
typedef signed char s8;
#endif

#define ALIGNED(bytes) __attribute__((aligned(bytes)))

/// VEC channels of one pixel.
typedef struct ALIGNED(VEC) {
  s8 at[VEC];
} vec_word;
/// LANE channels of one pixel.
typedef struct ALIGNED(LANE) {
  s8 at[LANE];
} lane_word;
typedef struct ALIGNED(4 * LANE) {
  int at[LANE];
} sum_word;
/// DOT: weight of lane l and channel v at [(v / 2 * LANE + l) * 2 + v % 2]. CHANNEL: that of channel v at [v].
typedef struct ALIGNED(VEC* LANE) {
  s8 at[VEC * LANE];
} weight_word;
/// Of LANE output channels: a sum becomes (sum + bias) * multiplier * 2^-shift.
typedef struct ALIGNED(4 * LANE) {
  int bias[LANE], multiplier[LANE], shift[LANE], unused[LANE];
} scale_word;

#if defined(TERCEL_CHANNELS_INTEL)

#pragma OPENCL EXTENSION cl_intel_channels : enable
channel vec_word data __attribute__((depth(DATA_DEPTH)));
channel sum_word sums __attribute__((depth(SUMS_DEPTH)));
channel lane_word levels __attribute__((depth(LEVELS_DEPTH)));
channel lane_word pooled __attribute__((depth(POOLED_DEPTH)));

#define STAGE __kernel __attribute__((max_global_work_dim(0))) void
#define AND_CHANNELS
#define AND_CHANNEL_ARGUMENTS
#define CH_READ(name) read_channel_intel(name)
#define CH_WRITE(name, word) write_channel_intel(name, word)
#define TICK()

#elif defined(TERCEL_CHANNELS_THREADS)

#define STAGE static inline void
#define AND_CHANNELS , Channels &channels, StageClock &clock
#define AND_CHANNEL_ARGUMENTS , channels, clock
#define CH_READ(name) channels.name.read(clock)
#define CH_WRITE(name, word) channels.name.write(clock, word)
#define TICK() clock.tick()

#else

typedef struct {
  __global vec_word* data;
  __global sum_word* sums;
  __global lane_word* levels;
  __global lane_word* pooled;
  int data_read, data_written, sums_read, sums_written;
  int levels_read, levels_written, pooled_read, pooled_written;
} Channels;

#define STAGE static inline __attribute__((always_inline)) void
#define AND_CHANNELS , Channels* channels
#define CH_READ(name) channels->name[channels->name##_read++]
#define CH_WRITE(name, word) channels->name[channels->name##_written++] = (word)
#define TICK()

#endif
#endif
