// Output of the attention -> features by spin: moments about the centre of the cluster become moments about the query,
// and these a gradient, divergence, curl and shear. The same in PyTorch: cluster_positions.py and split.py.
#include "heads.h"

// A row of features by spin has, for each part and head, the content and what the moments give.
constexpr int FROM_MOMENTS[PARTS] = {MOMENT_SPINS[0], MOMENT_SPINS[1], MOMENT_SPINS[1], MOMENT_SPINS[2],
                                     MOMENT_SPINS[2]};

static inline int64_t piece(int64_t heads, int64_t h, int part) {
    int64_t at = 0;
    for (int p = 0; p < part; p++) at += heads * (WIDTH[p] + FROM_MOMENTS[p]);
    return at + h * (WIDTH[part] + FROM_MOMENTS[part]);
}

static int64_t row_width(int64_t heads) { return piece(heads, heads, PARTS - 1); }

// Moments of two scalars f, g and a vector u + i v along x and y.
struct Moments {
    float f[2], g[2], u[2], v[2];
};

static inline Moments moments_about_query(const float *raw, float x, float y, float factor) {
    const float position[2] = {x, y};
    Moments own;
    for (int axis = 0; axis < 2; axis++) {
        const float *moment = raw + CONTENT + axis * SOURCES;
        own.f[axis] = factor * (moment[0] - position[axis] * raw[MOMENT_SOURCES[0]]);
        own.g[axis] = factor * (moment[1] - position[axis] * raw[MOMENT_SOURCES[1]]);
        own.u[axis] = factor * (moment[2] - position[axis] * raw[MOMENT_SOURCES[2]]);
        own.v[axis] = factor * (moment[3] - position[axis] * raw[MOMENT_SOURCES[3]]);
    }
    return own;
}

// raw (batch, token, head, 64) -> features (batch, token, row_width); scales (head): one over the widths of the heads.
extern "C" void join_heads(const Tokens *tokens, int64_t batch, const float *scales, const float *raw, float *features,
                           int threads) {
    const int64_t heads = tokens->heads, width = row_width(heads);
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t item = 0; item < batch * tokens->count; item++) {
        const int64_t t = item % tokens->count;
        for (int64_t h = 0; h < heads; h++) {
            const float *from = raw + (item * heads + h) * CHANNELS, factor = tokens->ratio[t] * scales[h];
            const Moments m = moments_about_query(from, tokens->position[2 * t], tokens->position[2 * t + 1], factor);
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

// Gradient of raw. grad_scales (block, head) holds that of the scales, summed over each block of TOKEN_BLOCK tokens.
extern "C" void join_heads_gradient(const Tokens *tokens, int64_t batch, const float *scales, const float *raw,
                                    const float *grad, float *grad_raw, float *grad_scales, int threads) {
    const int64_t heads = tokens->heads, width = row_width(heads);
    const int64_t items = batch * tokens->count, blocks = (items + TOKEN_BLOCK - 1) / TOKEN_BLOCK;
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t block = 0; block < blocks; block++) {
        float *totals = grad_scales + block * heads;
        std::memset(totals, 0, heads * sizeof(float));
        for (int64_t item = block * TOKEN_BLOCK; item < items && item < (block + 1) * TOKEN_BLOCK; item++) {
            const int64_t t = item % tokens->count;
            for (int64_t h = 0; h < heads; h++) {
                const float *from = raw + (item * heads + h) * CHANNELS;
                float *into = grad_raw + (item * heads + h) * CHANNELS, further[PARTS][2];
#pragma GCC unroll 5
                for (int p = 0; p < PARTS; p++) {
                    const float *part = grad + item * width + piece(heads, h, p);
                    std::memcpy(into + START[p], part, WIDTH[p] * sizeof(float));
                    std::memcpy(further[p], part + WIDTH[p], FROM_MOMENTS[p] * sizeof(float));
                }
                const float position[2] = {tokens->position[2 * t], tokens->position[2 * t + 1]};
                const float ratio = tokens->ratio[t];
                const float grad_moment[2][SOURCES] = {
                    {further[1][0], further[1][1], further[0][0] + further[3][0], further[0][1] + further[4][0]},
                    {further[2][0], further[2][1], further[4][0] - further[0][1], further[0][0] - further[3][0]}};
                for (int axis = 0; axis < 2; axis++)
                    for (int f = 0; f < SOURCES; f++) {
                        const int at = CONTENT + axis * SOURCES + f;
                        into[at] = grad_moment[axis][f] * ratio * scales[h];
                        into[MOMENT_SOURCES[f]] -= position[axis] * into[at];
                        totals[h] +=
                            grad_moment[axis][f] * ratio * (from[at] - position[axis] * from[MOMENT_SOURCES[f]]);
                    }
            }
        }
    }
}
