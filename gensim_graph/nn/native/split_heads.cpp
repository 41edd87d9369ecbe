// Projected features -> queries with their position channels, and pairs of keys and values: split by head, normalised,
// localised. The same in PyTorch: split.py, localisation.py and cluster_positions.py.
#include "heads.h"

// A row of projected features has, for each part and head, [query | key | value | one number of the localisation].
static inline int64_t piece(int64_t heads, int64_t h, int part) {
    int64_t at = 0;
    for (int p = 0; p < part; p++) at += heads * (3 * WIDTH[p] + 1);
    return at + h * (3 * WIDTH[part] + 1);
}

static int64_t row_width(int64_t heads) { return piece(heads, heads, PARTS - 1); }

struct Head {
    float content[3][CONTENT];  // query, key, value
    float predicted[PARTS];     // the localisation: a scalar, a vector and a tensor
};

static inline void read_head(const float *row, int64_t heads, int64_t h, Head &into) {
#pragma GCC unroll 5
    for (int p = 0; p < PARTS; p++) {
        const float *from = row + piece(heads, h, p);
#pragma GCC unroll 3
        for (int which = 0; which < 3; which++)
            std::memcpy(into.content[which] + START[p], from + which * WIDTH[p], WIDTH[p] * sizeof(float));
        into.predicted[p] = from[3 * WIDTH[p]];
    }
}

static inline void write_head(const Head &from, int64_t heads, int64_t h, float *row) {
#pragma GCC unroll 5
    for (int p = 0; p < PARTS; p++) {
        float *into = row + piece(heads, h, p);
#pragma GCC unroll 3
        for (int which = 0; which < 3; which++)
            std::memcpy(into + which * WIDTH[p], from.content[which] + START[p], WIDTH[p] * sizeof(float));
        into[3 * WIDTH[p]] = from.predicted[p];
    }
}

static inline float dot(const float *a, const float *b) {
    float sums[8] = {0};
    for (int c = 0; c < CONTENT; c += 8)
        for (int i = 0; i < 8; i++) sums[i] += a[c + i] * b[c + i];
    return ((sums[0] + sums[4]) + (sums[1] + sums[5])) + ((sums[2] + sums[6]) + (sums[3] + sums[7]));
}

static inline float inverse_norm(const float *features) {
    return 1 / std::sqrt(dot(features, features) / CONTENT + NORM_EPSILON);
}

// Localisation of a query, and the intermediate results that its gradient needs.
struct Localisation {
    float bend, isotropic, root;  // tanh; isotropic part of A, and its square root
    float vector, tensor;         // 1 / sqrt(1 + |.|^2), which brings them below one
    float xx, xy, yy, bx, by;     // A and b in units of the reach of the cluster
};

static inline Localisation localise(const float *predicted, float log_scale, float ratio) {
    Localisation own;
    own.bend = std::tanh(predicted[0]);
    own.isotropic = std::exp(2 * log_scale + ISOTROPIC_RANGE * own.bend);
    own.root = std::sqrt(own.isotropic);
    own.vector = 1 / std::sqrt(1 + (predicted[1] * predicted[1] + predicted[2] * predicted[2]));
    own.tensor = 1 / std::sqrt(1 + (predicted[3] * predicted[3] + predicted[4] * predicted[4]));
    const float along = ANISOTROPY * own.isotropic * own.tensor, shift = SHIFT * own.root * own.vector;
    own.xx = (own.isotropic + along * predicted[3]) * (ratio * ratio);
    own.xy = along * predicted[4] * (ratio * ratio);
    own.yy = (own.isotropic - along * predicted[3]) * (ratio * ratio);
    own.bx = shift * predicted[1] * ratio;
    own.by = shift * predicted[2] * ratio;
    return own;
}

// Position channels (A x + b, A_xx, A_xy, A_yy, 1, s, 0) of a query at x, y.
static inline void write_position(const Localisation &own, float x, float y, float *into) {
    const float ax = own.xx * x + own.xy * y, ay = own.xy * x + own.yy * y;
    const float itself = -0.5f * (ax * x + ay * y) - own.bx * x - own.by * y;
    const float channels[POSITION] = {ax + own.bx, ay + own.by, own.xx, own.xy, own.yy, 1, itself, 0};
    std::memcpy(into, channels, sizeof channels);
}

// Gradient of the position channels -> of the predicted numbers; return that of the logarithmic scale.
static inline float position_gradient(const Localisation &own, const float *predicted, float ratio, float x, float y,
                                      const float *grad, float *into) {
    const float dxx = (grad[2] + grad[0] * x - 0.5f * grad[6] * x * x) * (ratio * ratio);
    const float dxy = (grad[3] + grad[0] * y + grad[1] * x - grad[6] * x * y) * (ratio * ratio);
    const float dyy = (grad[4] + grad[1] * y - 0.5f * grad[6] * y * y) * (ratio * ratio);
    const float dbx = (grad[0] - grad[6] * x) * ratio, dby = (grad[1] - grad[6] * y) * ratio;
    const float along = dxx - dyy, across = dxy;
    const float dtensor = along * predicted[3] + across * predicted[4];
    const float dvector = dbx * predicted[1] + dby * predicted[2];
    const float disotropic = dxx + dyy + ANISOTROPY * own.tensor * dtensor + own.vector / own.root * dvector;
    const float dexponent = own.isotropic * disotropic;
    const float t = ANISOTROPY * own.isotropic * own.tensor, v = SHIFT * own.root * own.vector;
    into[0] = ISOTROPIC_RANGE * dexponent * (1 - own.bend * own.bend);
    into[1] = v * (dbx - own.vector * own.vector * dvector * predicted[1]);
    into[2] = v * (dby - own.vector * own.vector * dvector * predicted[2]);
    into[3] = t * (along - own.tensor * own.tensor * dtensor * predicted[3]);
    into[4] = t * (across - own.tensor * own.tensor * dtensor * predicted[4]);
    return 2 * dexponent;
}

// projected (batch, token, row_width) -> query (batch, token, head, 64) and pairs (batch, token, head, 112); the scales
// of queries and keys are (head, 56), the logarithmic scales of the localisation (head).
extern "C" void split_heads(const Tokens *tokens, int64_t batch, const float *query_scales, const float *key_scales,
                            const float *log_scales, const float *projected, float *query, float *pairs, int threads) {
    const int64_t heads = tokens->heads, width = row_width(heads);
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t item = 0; item < batch * tokens->count; item++) {
        const int64_t t = item % tokens->count;
        for (int64_t h = 0; h < heads; h++) {
            Head head;
            read_head(projected + item * width, heads, h, head);
            float *to_query = query + (item * heads + h) * CHANNELS, *to_pair = pairs + (item * heads + h) * PAIR;
            const float *query_scale = query_scales + h * CONTENT, *key_scale = key_scales + h * CONTENT;
            const float query_norm = inverse_norm(head.content[0]), key_norm = inverse_norm(head.content[1]);
            for (int c = 0; c < CONTENT; c++) to_query[c] = head.content[0][c] * query_norm * query_scale[c];
            for (int c = 0; c < CONTENT; c++) to_pair[c] = head.content[1][c] * key_norm * key_scale[c];
            std::memcpy(to_pair + CONTENT, head.content[2], CONTENT * sizeof(float));
            const Localisation own = localise(head.predicted, log_scales[h], tokens->ratio[t]);
            write_position(own, tokens->position[2 * t], tokens->position[2 * t + 1], to_query + CONTENT);
        }
    }
}

// Gradient of a normalised and scaled vector -> of the vector; the gradient of the scale is added to `grad_scale`.
static inline void norm_gradient(const float *features, const float *scale, const float *grad, float *into,
                                 float *grad_scale) {
    const float inverse = inverse_norm(features);
    float unit[CONTENT], scaled[CONTENT];
    for (int c = 0; c < CONTENT; c++) {
        unit[c] = features[c] * inverse;
        scaled[c] = grad[c] * scale[c];
        grad_scale[c] += grad[c] * unit[c];
    }
    const float along = dot(scaled, unit) / CONTENT;
    for (int c = 0; c < CONTENT; c++) into[c] = (scaled[c] - unit[c] * along) * inverse;
}

// Gradient of projected features. grad_weights (block, head, PAIR + 1) holds those of both scales and of the
// logarithmic scale, summed over each block of TOKEN_BLOCK tokens.
extern "C" void split_heads_gradient(const Tokens *tokens, int64_t batch, const float *query_scales,
                                     const float *key_scales, const float *log_scales, const float *projected,
                                     const float *grad_query, const float *grad_pairs, float *grad, float *grad_weights,
                                     int threads) {
    const int64_t heads = tokens->heads, width = row_width(heads), items = batch * tokens->count;
    const int64_t blocks = (items + TOKEN_BLOCK - 1) / TOKEN_BLOCK;
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t block = 0; block < blocks; block++) {
        float *totals = grad_weights + block * heads * (PAIR + 1);
        std::memset(totals, 0, heads * (PAIR + 1) * sizeof(float));
        for (int64_t item = block * TOKEN_BLOCK; item < items && item < (block + 1) * TOKEN_BLOCK; item++) {
            const int64_t t = item % tokens->count;
            for (int64_t h = 0; h < heads; h++) {
                Head head, grad_head;
                read_head(projected + item * width, heads, h, head);
                const float *dquery = grad_query + (item * heads + h) * CHANNELS;
                const float *dpair = grad_pairs + (item * heads + h) * PAIR;
                float *total = totals + h * (PAIR + 1);
                norm_gradient(head.content[0], query_scales + h * CONTENT, dquery, grad_head.content[0], total);
                norm_gradient(head.content[1], key_scales + h * CONTENT, dpair, grad_head.content[1], total + CONTENT);
                std::memcpy(grad_head.content[2], dpair + CONTENT, CONTENT * sizeof(float));
                const Localisation own = localise(head.predicted, log_scales[h], tokens->ratio[t]);
                total[PAIR] +=
                    position_gradient(own, head.predicted, tokens->ratio[t], tokens->position[2 * t],
                                      tokens->position[2 * t + 1], dquery + CONTENT, grad_head.predicted);
                write_head(grad_head, heads, h, grad + item * width);
            }
        }
    }
}
