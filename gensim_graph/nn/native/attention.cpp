// Attention of clusters of queries to their halos on a processor: keys are gathered and used block by block.
//
// Queries lie along the lanes of the registers, so that nothing is summed across lanes. As in flash attention (Dao et
// al. 2022) the softmax of a block of keys is relative to the highest logit so far, and earlier sums are scaled when a
// higher logit is found. The backward pass computes the weights again, from their log-sum-exp. Tensors are (batch,
// token, head, channel).
#include "halo.h"

constexpr float LOWEST = -1e30f;
constexpr int64_t STRIPE = 8;  // tiles in a row for one head: they share much of their halos, which stay in the cache

// Working memory of a thread.
struct Forward {
    alignas(64) float queries[CHANNELS * TILE], out[CHANNELS * TILE];  // (channel, query)
    alignas(64) float logits[(BLOCK + SPARE) * TILE];                  // (key, query), then their weights
    alignas(64) float tapers[BLOCK * TILE];
    alignas(64) float highest[TILE], total[TILE], factor[TILE];
    Gathered gathered;
    TileQueries positions;
};

// Logits -> weights relative to the highest logit so far; earlier sums must be multiplied by `factor`.
static void softmax(Forward &own, const int *groups, int n, int count) {
    for (int v = 0; v < n * WIDE; v++) {
        const int at = groups[v / WIDE] + v % WIDE * LANES;
        const Vector before = load(own.highest + at);
        Vector highest = before;
        for (int k = 0; k < count; k++) {
            const Vector left = taper(own.positions, at, own.gathered.x[k], own.gathered.y[k]);
            store(own.tapers + k * TILE + at, left);
            highest = larger(highest, left > 0 ? load(own.logits + k * TILE + at) : all(LOWEST));
        }
        const Vector factor = exponential(before - highest);
        Vector total = load(own.total + at) * factor;
        for (int k = 0; k < count; k++) {
            float *logit = own.logits + k * TILE + at;
            const Vector weight = exponential(load(logit) - highest) * load(own.tapers + k * TILE + at);
            store(logit, weight);
            total += weight;
        }
        store(own.highest + at, highest);
        store(own.total + at, total);
        store(own.factor + at, factor);
    }
}

static void attend_tile(const Halo &halo, const Tile &tile, Forward &own, const float *query, const float *pairs,
                        float *out, float *log_sum) {
    transpose(halo, tile, query, own.queries);
    read_queries(halo, tile, own.positions);
    std::memset(own.out, 0, sizeof own.out);
    for (int q = 0; q < TILE; q++) own.highest[q] = LOWEST, own.total[q] = 0;
    for_blocks(halo, tile, [&](const int *groups, int n, int first, int count) {
        gather(halo, tile, first, count, pairs, own.gathered);
        multiply(own.gathered.keys(), own.queries, groups, n, count, own.logits);
        softmax(own, groups, n, count);
        add_over_keys(own.gathered.values(), own.logits, groups, n, count, own.out, own.factor);
    });
    for (int64_t q = 0; q < tile.count; q++) {
        const float total = own.total[q], scale = total > 0 ? 1 / total : 0;
        float *row = out + (tile.first + q) * halo.heads * CHANNELS;
        for (int c = 0; c < CHANNELS; c++) row[c] = own.out[c * TILE + q] * scale;
        log_sum[tile.first + q] = total > 0 ? own.highest[q] + std::log(total) : 0;
    }
}

// Working memory of a thread for gradients.
struct Backward {
    alignas(64) float queries[CHANNELS * TILE], grads[CHANNELS * TILE];         // (channel, query)
    alignas(64) float query_rows[TILE * CHANNELS], grad_rows[TILE * CHANNELS];  // (query, channel)
    alignas(64) float grad_queries[CHANNELS * TILE];                            // (channel, query)
    alignas(64) float weights[(BLOCK + SPARE) * TILE], grad_logits[(BLOCK + SPARE) * TILE];  // (key, query)
    alignas(64) float grad_keys[(BLOCK + SPARE) * CHANNELS];    // (key, channel)
    alignas(64) float grad_values[(BLOCK + SPARE) * CHANNELS];  // (key, channel)
    alignas(64) float log_sum[TILE], mean[TILE];
    Gathered gathered;
    TileQueries positions;
};

static void read_rows(const Halo &halo, const Tile &tile, const float *rows, float *into) {
    std::memset(into, 0, TILE * CHANNELS * sizeof(float));
    for (int64_t q = 0; q < tile.count; q++)
        std::memcpy(into + q * CHANNELS, rows + (tile.first + q) * halo.heads * CHANNELS, CHANNELS * sizeof(float));
}

// Logits -> weights p, and their gradients dp -> those of the logits: p (dp - sum_k p dp), where the sum is grad . out.
static void softmax_gradient(Backward &own, const int *groups, int n, int count) {
    for (int v = 0; v < n * WIDE; v++) {
        const int at = groups[v / WIDE] + v % WIDE * LANES;
        const Vector log_sum = load(own.log_sum + at), mean = load(own.mean + at);
        for (int k = 0; k < count; k++) {
            float *weight = own.weights + k * TILE + at, *grad_logit = own.grad_logits + k * TILE + at;
            const Vector left = taper(own.positions, at, own.gathered.x[k], own.gathered.y[k]);
            const Vector p = left > 0 ? exponential(load(weight) - log_sum) * left : Vector{};
            store(weight, p);
            store(grad_logit, p * (load(grad_logit) - mean));
        }
    }
}

static void add_key_gradients(const Halo &halo, const Tile &tile, int first, int count, const Backward &own,
                              float *grad_pairs) {
    const int32_t *slots = halo.order + tile.index * halo.keys;
    for (int k = 0; k < count; k++) {
        const int64_t token = halo.token[tile.cluster * halo.keys + slots[first + k]];
        float *key = grad_pairs + token * halo.heads * PAIR, *value = key + CONTENT;
        const float *dkey = own.grad_keys + k * CHANNELS, *dvalue = own.grad_values + k * CHANNELS;
        for (int c = 0; c < CONTENT; c++) key[c] += dkey[c];
        for (int c = 0; c < CONTENT; c++) value[c] += dvalue[c];
        const float *moment_x = dvalue + CONTENT, *moment_y = moment_x + SOURCES;
        for (int f = 0; f < SOURCES; f++)
            value[MOMENT_SOURCES[f]] += own.gathered.x[k] * moment_x[f] + own.gathered.y[k] * moment_y[f];
    }
}

static void tile_gradient(const Halo &halo, const Tile &tile, Backward &own, const float *grad, const float *query,
                          const float *pairs, const float *out, const float *log_sum, float *grad_query,
                          float *grad_pairs) {
    transpose(halo, tile, query, own.queries);
    transpose(halo, tile, grad, own.grads);
    read_rows(halo, tile, query, own.query_rows);
    read_rows(halo, tile, grad, own.grad_rows);
    read_queries(halo, tile, own.positions);
    std::memset(own.grad_queries, 0, sizeof own.grad_queries);
    for (int64_t q = 0; q < tile.count; q++) {
        const float *row = out + (tile.first + q) * halo.heads * CHANNELS;
        float mean = 0;
        for (int c = 0; c < CHANNELS; c++) mean += own.grad_rows[q * CHANNELS + c] * row[c];
        own.mean[q] = mean;
        own.log_sum[q] = log_sum[tile.first + q];
    }
    for_blocks(halo, tile, [&](const int *groups, int n, int first, int count) {
        gather(halo, tile, first, count, pairs, own.gathered);
        multiply(own.gathered.keys(), own.queries, groups, n, count, own.weights);
        multiply(own.gathered.values(), own.grads, groups, n, count, own.grad_logits);
        softmax_gradient(own, groups, n, count);
        add_over_keys(own.gathered.keys(), own.grad_logits, groups, n, count, own.grad_queries);
        sum_over_queries(own.grad_logits, own.query_rows, groups, n, count, own.grad_keys);
        sum_over_queries(own.weights, own.grad_rows, groups, n, count, own.grad_values);
        add_key_gradients(halo, tile, first, count, own, grad_pairs);
    });
    for (int64_t q = 0; q < tile.count; q++)
        for (int c = 0; c < CHANNELS; c++)
            grad_query[(tile.first + q) * halo.heads * CHANNELS + c] = own.grad_queries[c * TILE + q];
}

// The functions below are called from Python.

// Sort the keys of every tile by the groups of queries that see them; keys that no query sees come first.
extern "C" void order_keys(const Halo *halo, const bool *valid, int32_t *order, int32_t *starts, int threads) {
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t index = 0; index < halo->clusters * halo->tiles_each; index++) {
        const Tile tile = tile_of(*halo, index);
        TileQueries queries;
        read_queries(*halo, tile, queries);
        const auto pattern = [&](int64_t slot) {
            return valid[slot] ? pattern_of(queries, halo->key_pos[2 * slot], halo->key_pos[2 * slot + 1]) : 0;
        };
        const int64_t here = tile.cluster * halo->keys;
        int32_t *start = starts + index * (PATTERNS + 1), next[PATTERNS];
        std::memset(start, 0, (PATTERNS + 1) * sizeof(int32_t));
        for (int64_t k = 0; k < halo->keys; k++) start[pattern(here + k) + 1]++;
        for (int p = 0; p < PATTERNS; p++) start[p + 1] += start[p];
        std::memcpy(next, start, sizeof next);
        for (int64_t k = 0; k < halo->keys; k++) order[index * halo->keys + next[pattern(here + k)]++] = k;
    }
}

// First number of one head of one sample, in a table with `n` numbers a head.
template <typename Number> static Number *begin(const Halo &halo, Number *table, int64_t b, int64_t h, int n) {
    return table + (b * halo.clusters * halo.width * halo.heads + h) * n;
}

// query (batch, token, head, 64) and pairs (..., 112) -> out (batch, token, head, 64) and log_sum (batch, head, token).
extern "C" void attention(const Halo *halo, int64_t batch, const float *query, const float *pairs, float *out,
                          float *log_sum, int threads) {
    const int64_t tiles = halo->clusters * halo->tiles_each, stripes = (tiles + STRIPE - 1) / STRIPE;
    const int64_t heads = halo->heads;
#pragma omp parallel num_threads(threads)
    {
        Forward own{};
#pragma omp for schedule(dynamic, 1)
        for (int64_t job = 0; job < batch * heads * stripes; job++) {
            const int64_t h = job % heads, stripe = job / heads % stripes, b = job / heads / stripes;
            for (int64_t index = stripe * STRIPE; index < tiles && index < (stripe + 1) * STRIPE; index++)
                attend_tile(*halo, tile_of(*halo, index), own, begin(*halo, query, b, h, CHANNELS),
                            begin(*halo, pairs, b, h, PAIR), begin(*halo, out, b, h, CHANNELS),
                            log_sum + (b * heads + h) * halo->clusters * halo->width);
        }
    }
}

// Gradients of queries, and of pairs (part, batch, token, head, 112): each part of the clusters has its own sum.
extern "C" void attention_gradient(const Halo *halo, int64_t batch, const float *grad, const float *query,
                                   const float *pairs, const float *out, const float *log_sum, float *grad_query,
                                   float *grad_pairs, int64_t parts, int threads) {
    const int64_t tiles = halo->clusters * halo->tiles_each, part = (tiles + parts - 1) / parts;
    const int64_t heads = halo->heads;
#pragma omp parallel num_threads(threads)
    {
        Backward own{};
#pragma omp for schedule(dynamic, 1)
        for (int64_t job = 0; job < batch * heads * parts; job++) {
            const int64_t some = job % parts, h = job / parts % heads, b = job / parts / heads;
            for (int64_t index = some * part; index < tiles && index < (some + 1) * part; index++)
                tile_gradient(*halo, tile_of(*halo, index), own, begin(*halo, grad, b, h, CHANNELS),
                              begin(*halo, query, b, h, CHANNELS), begin(*halo, pairs, b, h, PAIR),
                              begin(*halo, out, b, h, CHANNELS),
                              log_sum + (b * heads + h) * halo->clusters * halo->width,
                              begin(*halo, grad_query, b, h, CHANNELS),
                              begin(*halo, grad_pairs, some * batch + b, h, PAIR));
        }
    }
}
