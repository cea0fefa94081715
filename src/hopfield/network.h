// What a learning rule makes of patterns: a network whose units can be settled.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "hopfield/bit_patterns.h"

namespace tercel::inline hopfield {

/// A state of a network, with what its units feel. The energy of a state falls by 2 |field| when a unit that disagrees
/// with its field is flipped (under softmax, whose energy is no quadratic form, by another positive number).
class NetworkState {
 public:
  explicit NetworkState(std::span<const uint64_t> state) : state_(state.begin(), state.end()) {}
  virtual ~NetworkState() = default;

  std::span<const uint64_t> units() const { return state_; }
  int sign(int64_t unit) const { return BitPatterns::sign_of(state_.data(), unit); }

  /// Above 0: the unit wants to be +1; below: -1; 0: it stays as it is.
  virtual double field(int64_t unit) const = 0;
  virtual void flip(int64_t unit) = 0;
  virtual double energy() const = 0;

 protected:
  void flip_bit(int64_t unit) { BitPatterns::flip(state_.data(), unit); }

 private:
  std::vector<uint64_t> state_;
};

/// Never changes; several threads may settle states of one network at once.
class Network {
 public:
  virtual ~Network() = default;
  virtual int64_t bits() const = 0;
  virtual std::unique_ptr<NetworkState> start(std::span<const uint64_t> state) const = 0;
  /// What it holds in memory.
  virtual size_t bytes() const = 0;
};

}  // namespace tercel::inline hopfield
