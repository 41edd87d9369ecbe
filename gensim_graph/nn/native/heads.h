// The layout of a head, and of features by spin: as in heads.py, spin.py and split.py.
#pragma once
#include <cmath>
#include <cstdint>
#include <cstring>

constexpr int SCALARS = 28, VECTORS = 7, TENSORS = 7;
constexpr int CONTENT = SCALARS + 2 * VECTORS + 2 * TENSORS, PLACE = 8, CHANNELS = CONTENT + PLACE;
constexpr int PAIR = 2 * CONTENT;                  // a key and its value
constexpr int LIFTED[PLACE / 2] = {0, 1, 28, 35};  // channels of the values whose first moments are taken

// The five parts of a head's content: scalars, Re and Im of vectors, Re and Im of tensors.
constexpr int PARTS = 5, WIDTH[PARTS] = {SCALARS, VECTORS, VECTORS, TENSORS, TENSORS};
constexpr int START[PARTS] = {0, SCALARS, SCALARS + VECTORS, SCALARS + 2 * VECTORS, SCALARS + 2 * VECTORS + TENSORS};

constexpr int64_t TOKENS = 64;  // whose gradients of weights are summed together, in an order that no thread changes
