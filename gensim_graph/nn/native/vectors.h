// Vector registers of the width that the processor has, and functions of each of their numbers.
#pragma once
#include <cstdint>
#include <cstring>

#if defined(__AVX512F__)
constexpr int LANES = 16;
#elif defined(__AVX__)
constexpr int LANES = 8;
#else
constexpr int LANES = 4;
#endif

typedef float Vector __attribute__((vector_size(LANES * 4), aligned(4), may_alias));
typedef int32_t Integers __attribute__((vector_size(LANES * 4), aligned(4), may_alias));

static inline Vector load(const float *from) { return *reinterpret_cast<const Vector *>(from); }
static inline void store(float *into, Vector value) { *reinterpret_cast<Vector *>(into) = value; }
static inline Vector all(float value) { return value - Vector{}; }  // x - 0 is x; x + 0 is not for x = -0
// Both return the first argument if it is NaN.
static inline Vector larger(Vector a, Vector b) { return a < b ? b : a; }
static inline Vector smaller(Vector a, Vector b) { return b < a ? b : a; }

// exp(x) to two units in the last place; 0 below exp(-60), as processors are slow with denormal numbers.
//
// x = n log 2 + f, |f| <= log(2) / 2: exp(f) is a polynomial (coefficients of Cephes' expf), 2^n a shift of bits.
static inline Vector exponential(Vector argument) {
    const Vector x = larger(smaller(argument, all(87.0f)), all(-87.0f));
    const Vector magic = all(12582912.0f);  // 1.5 * 2^23: a number added to it is rounded to an integer
    const Vector shifted = x * 1.44269504f + magic;
    const Vector n = shifted - magic;
    const Vector f = x - n * 0.693359375f + n * 2.12194440e-4f;
    Vector p = all(1.9875691500e-4f);
    p = p * f + 1.3981999507e-3f;
    p = p * f + 8.3334519073e-3f;
    p = p * f + 4.1665795894e-2f;
    p = p * f + 1.6666665459e-1f;
    p = p * f + 5.0000001201e-1f;
    p = p * (f * f) + f + 1.0f;
    Integers bits;
    std::memcpy(&bits, &shifted, sizeof bits);
    const Integers power = (bits << 23) + (127 << 23);  // the lowest bits of the shifted number are n
    Vector scale;
    std::memcpy(&scale, &power, sizeof scale);
    return argument <= -60.0f ? Vector{} : p * scale;
}
