// The matrix products of the attention: one small product in a few shapes.
//
// The queries of a tile come in four groups of 16. A key that no query of a group sees costs that group nothing.
#pragma once
#include <type_traits>

#include "heads.h"
#include "vectors.h"

constexpr int GROUP = QUERY_GROUP, GROUPS = TILE_GROUPS;
constexpr int PAIRED = 2 * CHANNELS;  // gathered keys and values lie side by side
constexpr int BLOCK = 24;             // keys at a time: with their logits they fit into the first-level cache
constexpr int SPARE = 1;              // rows of a block that are computed but not used

constexpr int WIDE = GROUP / LANES;                                  // registers of a group
constexpr int AT_ONCE = LANES == 16 ? GROUPS : 1;                    // groups at a time: sums stay in registers
constexpr int SUMS = LANES == 16 ? 24 : LANES == 8 ? 12 : WIDE * 4;  // registers for sums
template <int V> constexpr int ROWS = V == 1 && AT_ONCE > 1 ? 12 : SUMS / (V * WIDE);
template <int V> constexpr int CHANNELS_AT_ONCE = AT_ONCE == 1 ? 4 : V == 1 ? 16 : V == 4 ? 4 : 8;

constexpr int WHOLE[1] = {0}, EVERY[GROUPS] = {0, GROUP, 2 * GROUP, 3 * GROUP};

// into[r][v] (+)= sum_s sum_j rows[r ROW + (s + j) COLUMN] columns[s + j][v]
//
// for R rows r, the numbers v of V groups that start at `groups`, s in `starts` and j below n. Rows of `into` and
// `columns` have TILE numbers. With `add` the product is added to `into`, multiplied by `factor` first if there is one.
template <int R, int V, int ROW, int COLUMN>
static inline __attribute__((always_inline)) void product(const float *rows, const float *columns, const int *groups,
                                                          const int *starts, int n_starts, int n, float *into,
                                                          bool add = false, const float *factor = nullptr) {
    constexpr int N = V * WIDE;
    int at[N];
    Vector sum[R][N];
#pragma GCC unroll 32
    for (int v = 0; v < N; v++) at[v] = groups[v / WIDE] + (v % WIDE) * LANES;
#pragma GCC unroll 32
    for (int r = 0; r < R; r++)
#pragma GCC unroll 32
        for (int v = 0; v < N; v++) {
            sum[r][v] = add ? load(into + r * TILE + at[v]) : Vector{};
            if (factor) sum[r][v] *= load(factor + at[v]);
        }
    for (int s = 0; s < n_starts; s++)
        for (int j = starts[s]; j < starts[s] + n; j++) {
            Vector column[N];
#pragma GCC unroll 32
            for (int v = 0; v < N; v++) column[v] = load(columns + j * TILE + at[v]);
#pragma GCC unroll 32
            for (int r = 0; r < R; r++) {
                const Vector one = all(rows[r * ROW + j * COLUMN]);
#pragma GCC unroll 32
                for (int v = 0; v < N; v++) sum[r][v] += one * column[v];
            }
        }
#pragma GCC unroll 32
    for (int r = 0; r < R; r++)
#pragma GCC unroll 32
        for (int v = 0; v < N; v++) store(into + r * TILE + at[v], sum[r][v]);
}

// Call f(n, groups) for all groups at once if there are enough registers, otherwise for one group at a time.
template <typename F> static inline void for_groups(int n, const int *groups, F f) {
    if constexpr (AT_ONCE == 1)
        for (int g = 0; g < n; g++) f(std::integral_constant<int, 1>{}, groups + g);
    else if (n == 1)
        f(std::integral_constant<int, 1>{}, groups);
    else if (n == 2)
        f(std::integral_constant<int, 2>{}, groups);
    else if (n == 3)
        f(std::integral_constant<int, 3>{}, groups);
    else
        f(std::integral_constant<int, 4>{}, groups);
}

// into (key, query) = gathered (key, channel) . queries (channel, query), for some groups of queries
static void multiply(const float *gathered, const float *queries, const int *groups, int n, int count, float *into) {
    for_groups(n, groups, [=](auto V, const int *some) {
        constexpr int R = ROWS<V>, FEW = 1 + SPARE;
        int k = 0;
        for (; k + R <= count; k += R)
            product<R, V, PAIRED, 1>(gathered + k * PAIRED, queries, some, WHOLE, 1, CHANNELS, into + k * TILE);
        for (; k < count; k += FEW)
            product<FEW, V, PAIRED, 1>(gathered + k * PAIRED, queries, some, WHOLE, 1, CHANNELS, into + k * TILE);
    });
}

// into (channel, query) = factor into + sum over keys of gathered (key, channel) weights (key, query)
static void add_over_keys(const float *gathered, const float *weights, const int *groups, int n, int count, float *into,
                          const float *factor = nullptr) {
    for_groups(n, groups, [=](auto V, const int *some) {
        constexpr int R = CHANNELS_AT_ONCE<V>;
        for (int c = 0; c < CHANNELS; c += R)
            product<R, V, 1, PAIRED>(gathered + c, weights, some, WHOLE, 1, count, into + c * TILE, true, factor);
    });
}

// into (key, channel) = sum over the queries of some groups of weights (key, query) queries (query, channel)
static void sum_over_queries(const float *weights, const float *queries, const int *groups, int n, int count,
                             float *into) {
    for_groups(GROUPS, EVERY, [=](auto V, const int *channels) {
        constexpr int R = ROWS<V>, FEW = 1 + SPARE;
        int k = 0;
        for (; k + R <= count; k += R)
            product<R, V, TILE, 1>(weights + k * TILE, queries, channels, groups, n, GROUP, into + k * TILE);
        for (; k < count; k += FEW)
            product<FEW, V, TILE, 1>(weights + k * TILE, queries, channels, groups, n, GROUP, into + k * TILE);
    });
}
