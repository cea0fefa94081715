// Transform coding of kernels (KLT): which layers get a basis, and which.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "codec/kernel_basis.h"
#include "graph/graph.h"
#include "quant/linear_site.h"
#include "quant/moments.h"

namespace tercel::inline quant {

using BasisPtr = std::shared_ptr<const codec::KernelBasis>;

/// Principal components of kernels with second moments `kernels`, where an error e costs e' `sensitivity` e (both size
/// x size, row-major): coefficients are uncorrelated, and their errors cost each on its own. With S and H for the two,
/// rows are U' H^-1/2 scaled to length 1, U the eigenvectors of H^1/2 S H^1/2, the strongest first (the Karhunen-Loeve
/// transform where H is the identity).
codec::KernelBasis principal_components(const std::vector<double>& kernels, const std::vector<double>& sensitivity,
                                        int64_t size);

/// Forward transform, weights -> coefficients, kernel by kernel in place: the inverse of codec::inverse_transform but
/// for rounding.
void forward_transform(const codec::KernelBasis& basis, std::vector<float>& kernels);

/// Moments of inputs in the basis: x[i] = sum_j entries[i, j] x[j].
void transform_moments(Moments& moments, const codec::KernelBasis& basis);

/// By name of the weights; weights that are not named are coded without a transform. Candidates of a layer are its own
/// components and those of all layers with kernels of the same extents; a trial with the coder's rate model takes the
/// cheapest, the bytes of the basis included. Layers without moments count all errors the same. `damping`: of
/// factorize(). The same answer with any number of threads.
std::map<std::string, BasisPtr> choose_bases(const Graph& graph, const std::vector<LinearSite>& sites,
                                             const std::map<std::string, Moments>& moments, double damping);

}  // namespace tercel::inline quant
