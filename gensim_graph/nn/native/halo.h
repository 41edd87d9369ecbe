// Which keys the queries of a cluster see, how much the taper leaves of them, and where their numbers are.
#pragma once
#include "heads.h"
#include "product.h"

constexpr int PATTERNS = 1 << GROUPS;  // which groups see a key
constexpr int AHEAD = 16;              // keys that are asked for before they are needed

struct Halo {
    const int64_t *token;   // (cluster, key) which token a key is
    const int32_t *order;   // (tile, key) slots of the keys, by pattern
    const int32_t *starts;  // (tile, PATTERNS + 1) where the keys of each pattern begin in that order
    const float *key_pos;   // (cluster, key, 2)
    const float *log_area;  // (cluster, key)
    const float *query_pos; // (cluster, query, 2)
    const float *steepness; // (cluster, query) of the taper; 0 for queries that are not meant
    int64_t clusters, keys, width, tiles_each, heads;
};

// Queries of one cluster, no more than TILE of them.
struct Tile {
    int64_t index, cluster, first, count;  // first: among all queries
};

static inline Tile tile_of(const Halo &halo, int64_t index) {
    const int64_t cluster = index / halo.tiles_each, skipped = index % halo.tiles_each * TILE;
    const int64_t left = halo.width - skipped;
    return {index, cluster, cluster * halo.width + skipped, left < TILE ? left : TILE};
}

struct Places {
    float x[TILE], y[TILE], steepness[TILE], meant[TILE];
};

static void read_places(const Halo &halo, const Tile &tile, Places &into) {
    std::memset(&into, 0, sizeof into);
    for (int64_t q = 0; q < tile.count; q++) {
        into.x[q] = halo.query_pos[2 * (tile.first + q)];
        into.y[q] = halo.query_pos[2 * (tile.first + q) + 1];
        into.steepness[q] = halo.steepness[tile.first + q];
        into.meant[q] = into.steepness[q] > 0;
    }
}

// exp(taper) = (1 - s^2)^2 of a key at x, y for the queries from `at` on; 0 from the radius on
static inline Vector taper(const Places &queries, int at, float x, float y) {
    const Vector dx = x - load(queries.x + at), dy = y - load(queries.y + at);
    const Vector inside = load(queries.meant + at) - (dx * dx + dy * dy) * load(queries.steepness + at);
    return larger(inside, Vector{}) * larger(inside, Vector{});
}

// One bit for each group of which any query sees the key.
static int pattern_of(const Places &queries, float x, float y) {
    int pattern = 0;
    for (int at = 0; at < TILE; at += LANES) {
        const Integers seen = taper(queries, at, x, y) > 0;
        int any = 0;
        for (int lane = 0; lane < LANES; lane++) any |= seen[lane];
        if (any) pattern |= 1 << at / GROUP;
    }
    return pattern;
}

// Keys (64 numbers) and values (64) side by side, with the channels of their places and of the moments.
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

// `count` keys from `first` on; the table of pairs is (token, head, PAIR) and starts at the head.
static void gather(const Halo &halo, const Tile &tile, int first, int count, const float *table, Gathered &into) {
    const int64_t here = tile.cluster * halo.keys, stride = halo.heads * PAIR;
    const int32_t *slots = halo.order + tile.index * halo.keys, end = halo.starts[(tile.index + 1) * (PATTERNS + 1) - 1];
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
        const float place[PLACE] = {x, y, -0.5f * x * x, -x * y, -0.5f * y * y, halo.log_area[slot], 1, 0};
        std::memcpy(key + CONTENT, place, sizeof place);
        for (int f = 0; f < PLACE / 2; f++) {
            value[CONTENT + f] = value[LIFTED[f]] * x;
            value[CONTENT + PLACE / 2 + f] = value[LIFTED[f]] * y;
        }
    }
}

// Calls f(groups, number of groups, first key, number of keys) for the keys of a tile, a block at a time.
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

// Rows (query, channel) of one head -> (channel, query), 0 where there is no query
static void transpose(const Halo &halo, const Tile &tile, const float *rows, float *into) {
    std::memset(into, 0, CHANNELS * TILE * sizeof(float));
    for (int64_t q = 0; q < tile.count; q++)
        for (int c = 0; c < CHANNELS; c++) into[c * TILE + q] = rows[(tile.first + q) * halo.heads * CHANNELS + c];
}
