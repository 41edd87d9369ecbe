// Layout of the channels of a head, and tables of tokens; the numbers come from shared_constants.py.
#pragma once
#include <cmath>
#include <cstdint>
#include <cstring>

#include "shared_constants.h"

// Short names of this folder.
constexpr int SCALARS = HEAD_SPINS[0], VECTORS = HEAD_SPINS[1], TENSORS = HEAD_SPINS[2];
constexpr int CONTENT = HEAD_CONTENT, POSITION = POSITION_CHANNELS, CHANNELS = HEAD_CHANNELS, PAIR = PAIR_CHANNELS;
constexpr int SOURCES = POSITION / 2;  // content channels with a moment along x and one along y
static_assert(sizeof MOMENT_SOURCES == SOURCES * sizeof(int), "as many sources as position channels have room for");

// The five parts of a head's content: scalars, Re and Im of vectors, Re and Im of tensors.
constexpr int PARTS = 5, WIDTH[PARTS] = {SCALARS, VECTORS, VECTORS, TENSORS, TENSORS};
constexpr int START[PARTS] = {0, SCALARS, SCALARS + VECTORS, SCALARS + 2 * VECTORS, SCALARS + 2 * VECTORS + TENSORS};

// A range of tokens, each seen from the centre of its cluster.
struct Tokens {
    const float *ratio;     // (token) reach of the cluster over the length of the token
    const float *position;  // (token, 2) in units of that reach
    int64_t count, heads;
};
