// Gates and products of hidden features, and their gradient; gate.py has the same in PyTorch.
#include "vectors.h"

static inline Vector read(const float *from, int count) {
    if (count == LANES) return load(from);
    Vector value{};
    std::memcpy(&value, from, count * sizeof(float));
    return value;
}

static inline void write(float *into, Vector value, int count) {
    if (count == LANES)
        store(into, value);
    else
        std::memcpy(into, &value, count * sizeof(float));
}

static inline Vector sigmoid(Vector x) { return 1.0f / (1.0f + exponential(-x)); }

// Call f(first channel, number of channels) for one register of channels after another.
template <typename F> static inline void for_channels(int64_t channels, F f) {
    for (int64_t c = 0; c < channels; c += LANES) f(c, channels - c < LANES ? int(channels - c) : LANES);
}

// hidden (item, 2 n + 10 m) -> gated (item, n + 11 m): scalars (n + 3 m), vectors (4 m) and tensors (4 m)
extern "C" void gate(int64_t items, int64_t n, int64_t m, const float *hidden, float *gated, int threads) {
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t item = 0; item < items; item++) {
        const float *from = hidden + item * (2 * n + 10 * m), *complex_ = from + 2 * n;
        float *into = gated + item * (n + 11 * m);
        for_channels(n, [=](int64_t c, int k) {
            const Vector g = read(from + n + c, k);
            write(into + c, read(from + c, k) * g * sigmoid(g), k);
        });
        for_channels(m, [=](int64_t c, int k) {
            const auto in = [=](int slot) { return read(complex_ + slot * m + c, k); };
            const auto out = [=](int slot, Vector value) { write(into + n + slot * m + c, value, k); };
            const Vector g1 = sigmoid(in(0)), g2 = sigmoid(in(1));
            const Vector a0 = in(2), b0 = in(3), a1 = in(4), b1 = in(5), c0 = in(6), d0 = in(7), c1 = in(8), d1 = in(9);
            out(0, a0 * b0 + a1 * b1), out(1, a1 * b0 - a0 * b1), out(2, c0 * d0 + c1 * d1);
            out(3, a0 * g1), out(4, c0 * b0 + c1 * b1), out(5, a1 * g1), out(6, c1 * b0 - c0 * b1);
            out(7, c0 * g2), out(8, a0 * b0 - a1 * b1), out(9, c1 * g2), out(10, a0 * b1 + a1 * b0);
        });
    }
}

// Gradient of hidden, from those of scalars, vectors and tensors (rows of n + 3 m, 4 m and 4 m).
extern "C" void gate_gradient(int64_t items, int64_t n, int64_t m, const float *hidden, const float *grad_scalars,
                              const float *grad_vectors, const float *grad_tensors, float *grad, int threads) {
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t item = 0; item < items; item++) {
        const float *from = hidden + item * (2 * n + 10 * m), *complex_ = from + 2 * n;
        const float *scalars = grad_scalars + item * (n + 3 * m), *products = scalars + n;
        const float *vectors = grad_vectors + item * 4 * m, *tensors = grad_tensors + item * 4 * m;
        float *into = grad + item * (2 * n + 10 * m), *into_complex = into + 2 * n;
        for_channels(n, [=](int64_t c, int k) {
            const Vector s = read(from + c, k), g = read(from + n + c, k), ds = read(scalars + c, k), one = sigmoid(g);
            write(into + c, ds * g * one, k);
            write(into + n + c, ds * s * one * (1.0f + g * (1.0f - one)), k);
        });
        for_channels(m, [=](int64_t c, int k) {
            const auto in = [=](const float *row, int slot) { return read(row + slot * m + c, k); };
            const auto out = [=](int slot, Vector value) { write(into_complex + slot * m + c, value, k); };
            const Vector g1 = sigmoid(in(complex_, 0)), g2 = sigmoid(in(complex_, 1));
            const Vector a0 = in(complex_, 2), b0 = in(complex_, 3), a1 = in(complex_, 4), b1 = in(complex_, 5);
            const Vector c0 = in(complex_, 6), d0 = in(complex_, 7), c1 = in(complex_, 8), d1 = in(complex_, 9);
            const Vector ab0 = in(products, 0), ab1 = in(products, 1), cd = in(products, 2);
            const Vector va0 = in(vectors, 0), cb0 = in(vectors, 1), va1 = in(vectors, 2), cb1 = in(vectors, 3);
            const Vector tc0 = in(tensors, 0), aa0 = in(tensors, 1), tc1 = in(tensors, 2), aa1 = in(tensors, 3);
            out(0, (va0 * a0 + va1 * a1) * g1 * (1.0f - g1));
            out(1, (tc0 * c0 + tc1 * c1) * g2 * (1.0f - g2));
            // Both a b* and a b contain a and b: their gradients enter as sums and differences.
            const Vector both0 = ab0 + aa0, both1 = ab1 + aa1, apart0 = ab0 - aa0, apart1 = aa1 - ab1;
            out(2, both0 * b0 + apart1 * b1 + va0 * g1);
            out(3, both0 * a0 + both1 * a1 + cb0 * c0 + cb1 * c1);
            out(4, both1 * b0 + apart0 * b1 + va1 * g1);
            out(5, apart0 * a1 + apart1 * a0 + cb0 * c1 - cb1 * c0);
            out(6, cd * d0 + cb0 * b0 - cb1 * b1 + tc0 * g2);
            out(7, cd * c0);
            out(8, cd * d1 + cb0 * b1 + cb1 * b0 + tc1 * g2);
            out(9, cd * c1);
        });
    }
}
