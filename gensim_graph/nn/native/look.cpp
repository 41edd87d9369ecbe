// Projected features -> queries with their places, keys and values: split by head, normalised, localised; see split.py,
// localisation.py and cluster_places.py, where the same stands in PyTorch.
#include "heads.h"

constexpr float EPSILON = 1e-6f;

struct Weights {
    const float *query_scale, *key_scale;  // (head, CONTENT)
    const float *log_scale;                // (head)
};

struct Tokens {
    const float *ratio;  // (token)
    const float *pos;    // (token, 2)
    int64_t count, heads, width;  // width of a row of projected features
};

// A row of projected features has for each part and head [query | key | value | one number of the localisation].
static inline int64_t piece(int64_t heads, int64_t h, int part) {
    int64_t at = 0;
    for (int p = 0; p < part; p++) at += heads * (3 * WIDTH[p] + 1);
    return at + h * (3 * WIDTH[part] + 1);
}

struct Head {
    float content[3][CONTENT];  // query, key, value
    float place[PARTS];
};

static inline void read_head(const float *row, int64_t heads, int64_t h, Head &into) {
#pragma GCC unroll 5
    for (int p = 0; p < PARTS; p++) {
        const float *from = row + piece(heads, h, p);
#pragma GCC unroll 3
        for (int what = 0; what < 3; what++)
            std::memcpy(into.content[what] + START[p], from + what * WIDTH[p], WIDTH[p] * sizeof(float));
        into.place[p] = from[3 * WIDTH[p]];
    }
}

static inline void write_head(const Head &from, int64_t heads, int64_t h, float *row) {
#pragma GCC unroll 5
    for (int p = 0; p < PARTS; p++) {
        float *into = row + piece(heads, h, p);
#pragma GCC unroll 3
        for (int what = 0; what < 3; what++)
            std::memcpy(into + what * WIDTH[p], from.content[what] + START[p], WIDTH[p] * sizeof(float));
        into[3 * WIDTH[p]] = from.place[p];
    }
}

static inline float dot(const float *a, const float *b) {
    float sums[8] = {0};
    for (int c = 0; c < CONTENT; c += 8)
        for (int i = 0; i < 8; i++) sums[i] += a[c + i] * b[c + i];
    return ((sums[0] + sums[4]) + (sums[1] + sums[5])) + ((sums[2] + sums[6]) + (sums[3] + sums[7]));
}

static inline float inverse_norm(const float *features) {
    return 1 / std::sqrt(dot(features, features) / CONTENT + EPSILON);
}

// What the localisation of a query is made of.
struct Localisation {
    float bend, isotropic, root;                // tanh; A at rest, and its root
    float vector, tensor;                       // 1 / sqrt(1 + |.|^2), which brings them below one
    float xx, xy, yy, bx, by;                   // in units of the reach of the cluster
};

static inline Localisation localise(const float *place, float log_scale, float ratio) {
    Localisation own;
    own.bend = std::tanh(place[0]);
    own.isotropic = std::exp(2 * log_scale + 1.5f * own.bend);
    own.root = std::sqrt(own.isotropic);
    own.vector = 1 / std::sqrt(1 + (place[1] * place[1] + place[2] * place[2]));
    own.tensor = 1 / std::sqrt(1 + (place[3] * place[3] + place[4] * place[4]));
    const float along = 0.8f * own.isotropic * own.tensor, shift = 2 * own.root * own.vector;
    own.xx = (own.isotropic + along * place[3]) * (ratio * ratio);
    own.xy = along * place[4] * (ratio * ratio);
    own.yy = (own.isotropic - along * place[3]) * (ratio * ratio);
    own.bx = shift * place[1] * ratio;
    own.by = shift * place[2] * ratio;
    return own;
}

// (A x + b, A_xx, A_xy, A_yy, 1, s, 0) of a query at x
static inline void write_place(const Localisation &own, float x, float y, float *into) {
    const float ax = own.xx * x + own.xy * y, ay = own.xy * x + own.yy * y;
    const float itself = -0.5f * (ax * x + ay * y) - own.bx * x - own.by * y;
    const float channels[PLACE] = {ax + own.bx, ay + own.by, own.xx, own.xy, own.yy, 1, itself, 0};
    std::memcpy(into, channels, sizeof channels);
}

// Gradient of these channels -> of the numbers that the localisation is made of; gives that of the logarithmic scale.
static inline float place_gradient(const Localisation &own, const float *place, float ratio, float x, float y,
                                   const float *grad, float *into) {
    const float of_xx = (grad[2] + grad[0] * x - 0.5f * grad[6] * x * x) * (ratio * ratio);
    const float of_xy = (grad[3] + grad[0] * y + grad[1] * x - grad[6] * x * y) * (ratio * ratio);
    const float of_yy = (grad[4] + grad[1] * y - 0.5f * grad[6] * y * y) * (ratio * ratio);
    const float of_bx = (grad[0] - grad[6] * x) * ratio, of_by = (grad[1] - grad[6] * y) * ratio;
    const float along = of_xx - of_yy, across = of_xy;
    const float of_tensor = along * place[3] + across * place[4], of_vector = of_bx * place[1] + of_by * place[2];
    const float of_isotropic = of_xx + of_yy + 0.8f * own.tensor * of_tensor + own.vector / own.root * of_vector;
    const float of_exponent = own.isotropic * of_isotropic;
    const float t = 0.8f * own.isotropic * own.tensor, v = 2 * own.root * own.vector;
    into[0] = 1.5f * of_exponent * (1 - own.bend * own.bend);
    into[1] = v * (of_bx - own.vector * own.vector * of_vector * place[1]);
    into[2] = v * (of_by - own.vector * own.vector * of_vector * place[2]);
    into[3] = t * (along - own.tensor * own.tensor * of_tensor * place[3]);
    into[4] = t * (across - own.tensor * own.tensor * of_tensor * place[4]);
    return 2 * of_exponent;
}

// projected (batch, token, width) -> query (batch, token, head, 64) and pairs (batch, token, head, 112)
extern "C" void look(const Tokens *tokens, const Weights *weights, int64_t batch, const float *projected, float *query,
                     float *pairs, int threads) {
    const int64_t heads = tokens->heads;
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t item = 0; item < batch * tokens->count; item++) {
        const int64_t t = item % tokens->count;
        for (int64_t h = 0; h < heads; h++) {
            Head head;
            read_head(projected + item * tokens->width, heads, h, head);
            float *to_query = query + (item * heads + h) * CHANNELS, *to_pair = pairs + (item * heads + h) * PAIR;
            const float *query_scale = weights->query_scale + h * CONTENT, *key_scale = weights->key_scale + h * CONTENT;
            const float of_query = inverse_norm(head.content[0]), of_key = inverse_norm(head.content[1]);
            for (int c = 0; c < CONTENT; c++) to_query[c] = head.content[0][c] * of_query * query_scale[c];
            for (int c = 0; c < CONTENT; c++) to_pair[c] = head.content[1][c] * of_key * key_scale[c];
            std::memcpy(to_pair + CONTENT, head.content[2], CONTENT * sizeof(float));
            const Localisation own = localise(head.place, weights->log_scale[h], tokens->ratio[t]);
            write_place(own, tokens->pos[2 * t], tokens->pos[2 * t + 1], to_query + CONTENT);
        }
    }
}

// Gradient of a normalised and scaled vector -> of the vector; adds to that of the scale.
static inline void norm_gradient(const float *features, const float *scale, const float *grad, float *into,
                                 float *of_scale) {
    const float inverse = inverse_norm(features);
    float unit[CONTENT], scaled[CONTENT];
    for (int c = 0; c < CONTENT; c++) {
        unit[c] = features[c] * inverse;
        scaled[c] = grad[c] * scale[c];
        of_scale[c] += grad[c] * unit[c];
    }
    const float along = dot(scaled, unit) / CONTENT;
    for (int c = 0; c < CONTENT; c++) into[c] = (scaled[c] - unit[c] * along) * inverse;
}

// Gradient of projected features; of_weights (block, head, PAIR + 1) those of both scales and the logarithmic scale,
// of every TOKENS tokens.
extern "C" void look_gradient(const Tokens *tokens, const Weights *weights, int64_t batch, const float *projected,
                              const float *grad_query, const float *grad_pairs, float *grad, float *of_weights,
                              int threads) {
    const int64_t heads = tokens->heads, items = batch * tokens->count, blocks = (items + TOKENS - 1) / TOKENS;
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t block = 0; block < blocks; block++) {
        float *totals = of_weights + block * heads * (PAIR + 1);
        std::memset(totals, 0, heads * (PAIR + 1) * sizeof(float));
        for (int64_t item = block * TOKENS; item < items && item < (block + 1) * TOKENS; item++) {
            const int64_t t = item % tokens->count;
            for (int64_t h = 0; h < heads; h++) {
                Head head, of_head;
                read_head(projected + item * tokens->width, heads, h, head);
                const float *of_query = grad_query + (item * heads + h) * CHANNELS;
                const float *of_pair = grad_pairs + (item * heads + h) * PAIR;
                float *total = totals + h * (PAIR + 1);
                norm_gradient(head.content[0], weights->query_scale + h * CONTENT, of_query, of_head.content[0], total);
                norm_gradient(head.content[1], weights->key_scale + h * CONTENT, of_pair, of_head.content[1],
                              total + CONTENT);
                std::memcpy(of_head.content[2], of_pair + CONTENT, CONTENT * sizeof(float));
                const Localisation own = localise(head.place, weights->log_scale[h], tokens->ratio[t]);
                total[PAIR] += place_gradient(own, head.place, tokens->ratio[t], tokens->pos[2 * t],
                                              tokens->pos[2 * t + 1], of_query + CONTENT, of_head.place);
                write_head(of_head, heads, h, grad + item * tokens->width);
            }
        }
    }
}
