// What the heads have seen -> features by spin: moments about the centre of the cluster become those about the query,
// and these a gradient, divergence, curl and shear; see cluster_places.py and attention.py, where the same stands in
// PyTorch.
#include "heads.h"

struct Seen {
    const float *ratio;  // (token)
    const float *pos;    // (token, 2)
    const float *scale;  // (head)
    int64_t count, heads;
};

// A row of features by spin has, of every head, its part of the content and what comes from the moments.
constexpr int FROM_MOMENTS[PARTS] = {2, 2, 2, 1, 1};

static inline int64_t piece(int64_t heads, int64_t h, int part) {
    int64_t at = 0;
    for (int p = 0; p < part; p++) at += heads * (WIDTH[p] + FROM_MOMENTS[p]);
    return at + h * (WIDTH[part] + FROM_MOMENTS[part]);
}

static int64_t width_of(int64_t heads) { return piece(heads, heads, PARTS - 1); }

// Moments of two scalars f, g and a vector u + i v along x and y.
struct Moments {
    float f[2], g[2], u[2], v[2];
};

static inline Moments moments_of(const float *raw, float x, float y, float factor) {
    const float place[2] = {x, y};
    Moments own;
    for (int axis = 0; axis < 2; axis++) {
        const float *moment = raw + CONTENT + axis * PLACE / 2;
        own.f[axis] = factor * (moment[0] - place[axis] * raw[LIFTED[0]]);
        own.g[axis] = factor * (moment[1] - place[axis] * raw[LIFTED[1]]);
        own.u[axis] = factor * (moment[2] - place[axis] * raw[LIFTED[2]]);
        own.v[axis] = factor * (moment[3] - place[axis] * raw[LIFTED[3]]);
    }
    return own;
}

// raw (batch, token, head, 64) -> features (batch, token, channel)
extern "C" void see(const Seen *seen, int64_t batch, const float *raw, float *features, int threads) {
    const int64_t heads = seen->heads, width = width_of(heads);
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t item = 0; item < batch * seen->count; item++) {
        const int64_t t = item % seen->count;
        for (int64_t h = 0; h < heads; h++) {
            const float *from = raw + (item * heads + h) * CHANNELS, factor = seen->ratio[t] * seen->scale[h];
            const Moments m = moments_of(from, seen->pos[2 * t], seen->pos[2 * t + 1], factor);
            // (u + i v)(dx - i dy), its divergence and curl; gradients of f and g; (u + i v)(dx + i dy), its shear
            const float further[PARTS][2] = {{m.u[0] + m.v[1], m.v[0] - m.u[1]},
                                             {m.f[0], m.g[0]},
                                             {m.f[1], m.g[1]},
                                             {m.u[0] - m.v[1], 0},
                                             {m.v[0] + m.u[1], 0}};
#pragma GCC unroll 5
            for (int p = 0; p < PARTS; p++) {
                float *into = features + item * width + piece(heads, h, p);
                std::memcpy(into, from + START[p], WIDTH[p] * sizeof(float));
                std::memcpy(into + WIDTH[p], further[p], FROM_MOMENTS[p] * sizeof(float));
            }
        }
    }
}

// Gradient of raw; of_scale (block, head) that of the scales, of every TOKENS tokens.
extern "C" void see_gradient(const Seen *seen, int64_t batch, const float *raw, const float *grad, float *grad_raw,
                             float *of_scale, int threads) {
    const int64_t heads = seen->heads, width = width_of(heads);
    const int64_t items = batch * seen->count, blocks = (items + TOKENS - 1) / TOKENS;
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t block = 0; block < blocks; block++) {
        float *totals = of_scale + block * heads;
        std::memset(totals, 0, heads * sizeof(float));
        for (int64_t item = block * TOKENS; item < items && item < (block + 1) * TOKENS; item++) {
            const int64_t t = item % seen->count;
            for (int64_t h = 0; h < heads; h++) {
                const float *from = raw + (item * heads + h) * CHANNELS;
                float *into = grad_raw + (item * heads + h) * CHANNELS, further[PARTS][2];
#pragma GCC unroll 5
                for (int p = 0; p < PARTS; p++) {
                    const float *of = grad + item * width + piece(heads, h, p);
                    std::memcpy(into + START[p], of, WIDTH[p] * sizeof(float));
                    std::memcpy(further[p], of + WIDTH[p], FROM_MOMENTS[p] * sizeof(float));
                }
                const float place[2] = {seen->pos[2 * t], seen->pos[2 * t + 1]}, ratio = seen->ratio[t];
                const float of_moment[2][PLACE / 2] = {
                    {further[1][0], further[1][1], further[0][0] + further[3][0], further[0][1] + further[4][0]},
                    {further[2][0], further[2][1], further[4][0] - further[0][1], further[0][0] - further[3][0]}};
                for (int axis = 0; axis < 2; axis++)
                    for (int f = 0; f < PLACE / 2; f++) {
                        const int at = CONTENT + axis * PLACE / 2 + f;
                        into[at] = of_moment[axis][f] * ratio * seen->scale[h];
                        into[LIFTED[f]] -= place[axis] * into[at];
                        totals[h] += of_moment[axis][f] * ratio * (from[at] - place[axis] * from[LIFTED[f]]);
                    }
            }
        }
    }
}
