#include "kernels/ref/ref_kernel.h"

#include <algorithm>

namespace tercel::inline kernels {
namespace {

class RefKernel final : public Kernel {
 public:
  explicit RefKernel(const Problem& problem) : attrs_(*problem.attrs), run_(find_ref(problem.op)) {
    const auto keep = [&](const Operand& operand, std::vector<View>& views) {
      views.push_back({operand.dtype, operand.dims, nullptr, operand.quantization.get()});
      quantizations_.push_back(operand.quantization);
    };
    for (const Operand& operand : problem.src) keep(operand, src_);
    for (const Operand& operand : problem.dst) keep(operand, dst_);
  }

  void run(const Args& args) const override {
    std::vector<View> src = src_, dst = dst_;
    for (size_t i = 0; i < src.size(); ++i) src[i].data = const_cast<std::byte*>(args.src[i]);
    for (size_t i = 0; i < dst.size(); ++i) dst[i].data = args.dst[i];
    run_(attrs_, src, dst);
  }

 private:
  Attrs attrs_;
  RefFn run_;
  std::vector<View> src_, dst_;                 // shapes; addresses come with each run
  std::vector<QuantizationPtr> quantizations_;  // that views point to
};

}  // namespace

std::span<const RefEntry> all_refs() {
  static const std::vector<RefEntry> all = [] {
    std::vector<RefEntry> list;
    for (auto* family : {&elementwise_refs, &shape_refs, &reduce_refs, &conv_refs, &matmul_refs, &norm_refs,
                         &memory_refs, &quant_refs, &sequence_refs, &fused_refs})
      for (const RefEntry& entry : family()) list.push_back(entry);
    return list;
  }();
  return all;
}

RefFn find_ref(std::string_view op) {
  const auto all = all_refs();
  const auto at = std::find_if(all.begin(), all.end(), [&](const RefEntry& entry) { return entry.op == op; });
  return at == all.end() ? nullptr : at->run;
}

std::unique_ptr<Kernel> make_ref(const Problem& problem) { return std::make_unique<RefKernel>(problem); }

}  // namespace tercel::inline kernels
