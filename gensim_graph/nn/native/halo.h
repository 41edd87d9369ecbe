// Keys of the queries of a cluster: which group of queries sees them, their taper, and gathering them from memory.
#pragma once
#include "heads.h"
#include "product.h"

static_assert(PATTERNS == 1 << GROUPS, "a pattern has one bit for each group of queries");
constexpr int AHEAD = 16;  // keys to load into the cache in advance

// Tables of HaloTables in native_kernel.py.
struct Halo {
    const int64_t *token;   // (cluster, key) token of each key
    const int32_t *order;   // (tile, key) keys of the cluster, sorted by pattern
    const int32_t *starts;  // (tile, PATTERNS + 1) first key of each pattern in that order
    const float *key_pos;   // (cluster, key, 2)
    const float *log_area;  // (cluster, key)
    const float *query_pos;  // (cluster, query, 2)
    const float *steepness;  // (cluster, query) of the taper; 0 for padded queries
    int64_t clusters, keys, width, tiles_each, heads;
};

// At most TILE queries of one cluster.
struct Tile {
    int64_t index, cluster, first, count;  // first: index among all queries
};

static inline Tile tile_of(const Halo &halo, int64_t index) {
    const int64_t cluster = index / halo.tiles_each, skipped = index % halo.tiles_each * TILE;
    const int64_t left = halo.width - skipped;
    return {index, cluster, cluster * halo.width + skipped, left < TILE ? left : TILE};
}

struct TileQueries {
    float x[TILE], y[TILE], steepness[TILE], valid[TILE];  // valid: 1, or 0 for padding
};

static void read_queries(const Halo &halo, const Tile &tile, TileQueries &into) {
    std::memset(&into, 0, sizeof into);
    for (int64_t q = 0; q < tile.count; q++) {
        into.x[q] = halo.query_pos[2 * (tile.first + q)];
        into.y[q] = halo.query_pos[2 * (tile.first + q) + 1];
        into.steepness[q] = halo.steepness[tile.first + q];
        into.valid[q] = into.steepness[q] > 0;
    }
}

// exp(taper) = (1 - s^2)^2 of a key at x, y for the queries from `at` on; 0 at the radius and beyond
static inline Vector taper(const TileQueries &queries, int at, float x, float y) {
    const Vector dx = x - load(queries.x + at), dy = y - load(queries.y + at);
    const Vector inside = load(queries.valid + at) - (dx * dx + dy * dy) * load(queries.steepness + at);
    return larger(inside, Vector{}) * larger(inside, Vector{});
}

// One bit for each group of queries; it is set if any query of the group sees the key.
static int pattern_of(const TileQueries &queries, float x, float y) {
    int pattern = 0;
    for (int at = 0; at < TILE; at += LANES) {
        const Integers seen = taper(queries, at, x, y) > 0;
        int any = 0;
        for (int lane = 0; lane < LANES; lane++) any |= seen[lane];
        if (any) pattern |= 1 << at / GROUP;
    }
    return pattern;
}

// Gathered keys and values side by side, CHANNELS numbers each: content, then positions or moments.
struct Gathered {
    alignas(64) float pairs[(BLOCK + SPARE) * PAIRED];
    float x[BLOCK], y[BLOCK];

    const float *keys() const { return pairs; }
    const float *values() const { return pairs + CHANNELS; }
};

static inline void copy_content(const float *from, float *into) {
#pragma GCC unroll 16
    for (int c = 0; c + LANES <= CONTENT; c += LANES) store(into + c, load(from + c));
    if (CONTENT % LANES) store(into + CONTENT - LANES, load(from + CONTENT - LANES));
}

// Gather `count` keys from number `first` on. `table` holds pairs (token, head, PAIR) and points to the head.
static void gather(const Halo &halo, const Tile &tile, int first, int count, const float *table, Gathered &into) {
    const int64_t here = tile.cluster * halo.keys, stride = halo.heads * PAIR;
    const int32_t *slots = halo.order + tile.index * halo.keys;
    const int32_t end = halo.starts[(tile.index + 1) * (PATTERNS + 1) - 1];
    for (int k = 0; k < count; k++) {
        if (first + k + AHEAD < end) {
            const float *soon = table + halo.token[here + slots[first + k + AHEAD]] * stride;
            for (int c = 0; c < PAIR; c += 16) __builtin_prefetch(soon + c, 0, 2);
        }
        const int64_t slot = here + slots[first + k];
        const float *from = table + halo.token[slot] * stride;
        float *key = into.pairs + k * PAIRED, *value = key + CHANNELS;
        copy_content(from, key);
        copy_content(from + CONTENT, value);
        const float x = into.x[k] = halo.key_pos[2 * slot], y = into.y[k] = halo.key_pos[2 * slot + 1];
        const float position[POSITION] = {x, y, -0.5f * x * x, -x * y, -0.5f * y * y, halo.log_area[slot], 1, 0};
        std::memcpy(key + CONTENT, position, sizeof position);
        for (int f = 0; f < SOURCES; f++) {
            value[CONTENT + f] = value[MOMENT_SOURCES[f]] * x;
            value[CONTENT + SOURCES + f] = value[MOMENT_SOURCES[f]] * y;
        }
    }
}

// Call f(groups, number of groups, first key, number of keys) for one block of keys of a tile after another.
template <typename F> static inline void for_blocks(const Halo &halo, const Tile &tile, F f) {
    const int32_t *starts = halo.starts + tile.index * (PATTERNS + 1);
    for (int pattern = 1; pattern < PATTERNS; pattern++) {
        int groups[GROUPS], n = 0;
        for (int g = 0; g < GROUPS; g++)
            if (pattern >> g & 1) groups[n++] = g * GROUP;
        for (int first = starts[pattern]; first < starts[pattern + 1]; first += BLOCK) {
            const int left = starts[pattern + 1] - first;
            f(groups, n, first, left < BLOCK ? left : BLOCK);
        }
    }
}

// Rows (query, channel) of one head -> (channel, query); 0 beyond the last query.
static void transpose(const Halo &halo, const Tile &tile, const float *rows, float *into) {
    std::memset(into, 0, CHANNELS * TILE * sizeof(float));
    for (int64_t q = 0; q < tile.count; q++)
        for (int c = 0; c < CHANNELS; c++) into[c * TILE + q] = rows[(tile.first + q) * halo.heads * CHANNELS + c];
}
