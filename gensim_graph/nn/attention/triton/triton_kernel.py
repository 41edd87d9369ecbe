"""Kernels of the backend ``triton``: attention to listed tokens, and its derivatives without atomics.

There is one program for each cluster, head and member of the batch. It holds the tokens of its cluster, gathers the
rows of the listed tokens by their index, a tile at a time, and never writes a logit:

    logit = q . k - 1/2 d^T A d + b . d + log a,        p = exp(logit - lse) (r^2 - |d|^2)^2,

d in lengths of the query. The taper is a factor, not a logarithm: r^4 drops out of the softmax, and a padded query,
which has r = 0, sees nothing and gets zeros. Positions come in two parts, high and low, so that differences of nearby
tokens are exact to single precision everywhere in the plane. Moments are separate products, p dx and p dy with the
source channels (``MOMENT_SOURCES``): moments about a common centre would cancel in low precision.

Tables: query, key and value (B, T, H, 56); ``localisation`` (B, T, H, 5) A_xx, A_xy, A_yy, b_x, b_y in single
precision; ``position`` (T, 8) x, y high, x, y low, 1 / length, squared reach, log of the area, 0; ``out`` and
``grad`` (B, T, H, 64) content and moments; ``log_sum`` and ``delta`` (B, H, T), where delta is grad . out of every
query. The listed tokens are ``tokens`` (C, longest), of which the first ``counts`` (C,) are valid. Rows are counted in
64 bits: tables may have more than 2^31 numbers.

``do_not_specialize``: lists of any length use the same compiled kernel. ``no_type_check``: Triton compiles the source,
so that checks of the arguments must not wrap it.
"""

from typing import no_type_check

import triton
import triton.language as tl

from gensim_graph.nn.native import HEAD_CONTENT, MOMENT_SOURCES

_CONTENT = tl.constexpr(HEAD_CONTENT)
_SOURCES = tl.constexpr(len(MOMENT_SOURCES))
_SOURCE_0, _SOURCE_1, _SOURCE_2, _SOURCE_3 = (tl.constexpr(channel) for channel in MOMENT_SOURCES)
_LOWEST = tl.constexpr(-1e30)  # logit without weight; finite, as the difference of two infinities is not a number


@triton.jit
@no_type_check
def _rows(table, row, stride, column, wanted):
    """Gather rows (n, columns) of a table; columns that are not wanted are 0."""
    return tl.load(table + row[:, None] * stride + column[None, :], mask=wanted[None, :], other=0.0)


@triton.jit
@no_type_check
def _source_channel(source):
    """Content channel of each source of moments; any channel beyond the last source."""
    later = tl.where(source == 2, _SOURCE_2, _SOURCE_3)
    return tl.where(source == 0, _SOURCE_0, tl.where(source == 1, _SOURCE_1, later))


@triton.jit
@no_type_check
def _position(position, token):
    """x, y, and their remainders in single precision."""
    at = position + token * 8
    return tl.load(at), tl.load(at + 1), tl.load(at + 2), tl.load(at + 3)


@triton.jit
@no_type_check
def _reach(position, token):
    """One over the length, and the square of the reach in lengths, 0 for padding."""
    at = position + token * 8
    return tl.load(at + 4), tl.load(at + 5)


@triton.jit
@no_type_check
def _coefficients(localisation, row):
    """A_xx, A_xy, A_yy, b_x, b_y."""
    at = localisation + row * 5
    return tl.load(at), tl.load(at + 1), tl.load(at + 2), tl.load(at + 3), tl.load(at + 4)


@triton.jit
@no_type_check
def _bias(dx, dy, xx, xy, yy, bx, by):
    """-1/2 d^T A d + b . d."""
    return dx * (bx - 0.5 * xx * dx - xy * dy) + dy * (by - 0.5 * yy * dy)


@triton.jit
@no_type_check
def _taper(dx, dy, reach2):
    """(r^2 - |d|^2)^2, 0 from the radius on."""
    inside = tl.maximum(reach2 - (dx * dx + dy * dy), 0.0)
    return inside * inside


@triton.jit(do_not_specialize=["longest"])
@no_type_check
def attend(
    query, key, value, localisation, position, tokens, counts, out, log_sum,
    n_tokens, heads, longest, WIDTH: tl.constexpr, TILE: tl.constexpr, MOMENTS: tl.constexpr,
):  # fmt: skip
    """Compute content, moments and log-sum-exp of the queries of a cluster.

    Args:
        query, key, value, localisation, position, tokens, counts: tables, see the top of this module.
        out, log_sum: results.
        n_tokens, heads, longest: sizes of the tables.
        WIDTH, TILE: tokens of a cluster, and listed tokens at a time.
        MOMENTS: precision of the products for the moments.
    """
    cluster, head = tl.program_id(0) // heads, tl.program_id(0) % heads
    batch = tl.program_id(1).to(tl.int64)
    channel, source = tl.arange(0, 64), tl.arange(0, 16)
    own = cluster * WIDTH + tl.arange(0, WIDTH)
    row = (batch * n_tokens + own) * heads + head
    q = _rows(query, row, _CONTENT, channel, channel < _CONTENT)
    qx, qy, qx_low, qy_low = _position(position, own[:, None])
    per_length, reach2 = _reach(position, own[:, None])
    xx, xy, yy, bx, by = _coefficients(localisation, row[:, None])
    top = tl.full([WIDTH], _LOWEST, tl.float32)
    total = tl.zeros([WIDTH], tl.float32)
    rounded = tl.zeros([WIDTH], tl.float32)
    content = tl.zeros([WIDTH, 64], tl.float32)
    moment_x = tl.zeros([WIDTH, 16], tl.float32)
    moment_y = tl.zeros([WIDTH, 16], tl.float32)
    count = tl.load(counts + cluster)

    for first in range(0, count, TILE):
        at = first + tl.arange(0, TILE)
        token = tl.load(tokens + cluster.to(tl.int64) * longest + at, mask=at < count, other=0)
        key_row = (batch * n_tokens + token) * heads + head
        k = _rows(key, key_row, _CONTENT, channel, channel < _CONTENT)
        v = _rows(value, key_row, _CONTENT, channel, channel < _CONTENT)
        f = _rows(value, key_row, _CONTENT, _source_channel(source), source < _SOURCES).to(tl.float32)
        kx, ky, kx_low, ky_low = _position(position, token[None, :])
        dx, dy = ((kx - qx) + (kx_low - qx_low)) * per_length, ((ky - qy) + (ky_low - qy_low)) * per_length
        taper = tl.where((at < count)[None, :], _taper(dx, dy, reach2), 0.0)
        logit = _bias(dx, dy, xx, xy, yy, bx, by) + tl.load(position + token * 8 + 6)[None, :]
        logit += tl.dot(q, tl.trans(k), input_precision="ieee")
        logit = tl.where(taper > 0, logit, _LOWEST)
        higher = tl.maximum(top, tl.max(logit, 1))
        fade = tl.exp(top - higher)
        p = tl.exp(logit - higher[:, None]) * taper
        total = total * fade + tl.sum(p, 1)
        low = p.to(v.dtype)
        rounded = rounded * fade + tl.sum(low.to(tl.float32), 1)
        content = tl.dot(low, v, content * fade[:, None], input_precision="ieee")
        moment_x = tl.dot(p * dx, f, moment_x * fade[:, None], input_precision=MOMENTS)
        moment_y = tl.dot(p * dy, f, moment_y * fade[:, None], input_precision=MOMENTS)
        top = higher

    seen = total > 0
    total = tl.where(seen, total, 1.0)
    share = (1 / total)[:, None]
    rounded = tl.where(seen, rounded, 1.0)  # rounded weights add up to one again
    at = row[:, None] * 64
    tl.store(out + at + channel[None, :], content / rounded[:, None], mask=(channel < _CONTENT)[None, :])
    tl.store(out + at + _CONTENT + source[None, :], moment_x * share, mask=(source < _SOURCES)[None, :])
    tl.store(out + at + _CONTENT + _SOURCES + source[None, :], moment_y * share, mask=(source < _SOURCES)[None, :])
    tl.store(log_sum + (batch * heads + head) * n_tokens + own, tl.where(seen, top + tl.log(total), 0.0))


@triton.jit(do_not_specialize=["longest"])
@no_type_check
def differentiate_queries(
    query, key, value, localisation, position, tokens, counts, grad, log_sum, delta, grad_query, grad_localisation,
    n_tokens, heads, longest, WIDTH: tl.constexpr, TILE: tl.constexpr,
):  # fmt: skip
    """Compute the gradients of the queries of a cluster and of their localisation; the listed tokens are keys.

    Args:
        query, key, value, localisation, position, tokens, counts: tables, see the top of this module.
        grad, log_sum, delta: gradient of the output, and kept results.
        grad_query, grad_localisation: results.
        n_tokens, heads, longest: sizes of the tables.
        WIDTH, TILE: tokens of a cluster, and listed tokens at a time.
    """
    cluster, head = tl.program_id(0) // heads, tl.program_id(0) % heads
    batch = tl.program_id(1).to(tl.int64)
    channel, source = tl.arange(0, 64), tl.arange(0, 16)
    own = cluster * WIDTH + tl.arange(0, WIDTH)
    row = (batch * n_tokens + own) * heads + head
    q = _rows(query, row, _CONTENT, channel, channel < _CONTENT)
    g = _rows(grad, row, 64, channel, channel < _CONTENT)
    gx = _rows(grad, row, 64, source + _CONTENT, source < _SOURCES)
    gy = _rows(grad, row, 64, source + _CONTENT + _SOURCES, source < _SOURCES)
    qx, qy, qx_low, qy_low = _position(position, own[:, None])
    per_length, reach2 = _reach(position, own[:, None])
    xx, xy, yy, bx, by = _coefficients(localisation, row[:, None])
    number = (batch * heads + head) * n_tokens + own
    lse, mean = tl.load(log_sum + number)[:, None], tl.load(delta + number)[:, None]
    dq = tl.zeros([WIDTH, 64], tl.float32)
    dxx, dxy, dyy = tl.zeros([WIDTH], tl.float32), tl.zeros([WIDTH], tl.float32), tl.zeros([WIDTH], tl.float32)
    dbx, dby, rest = tl.zeros([WIDTH], tl.float32), tl.zeros([WIDTH], tl.float32), tl.zeros([WIDTH], tl.float32)
    pxx, pxy, pyy = tl.zeros([WIDTH], tl.float32), tl.zeros([WIDTH], tl.float32), tl.zeros([WIDTH], tl.float32)
    px, py = tl.zeros([WIDTH], tl.float32), tl.zeros([WIDTH], tl.float32)
    count = tl.load(counts + cluster)

    for first in range(0, count, TILE):
        at = first + tl.arange(0, TILE)
        token = tl.load(tokens + cluster.to(tl.int64) * longest + at, mask=at < count, other=0)
        key_row = (batch * n_tokens + token) * heads + head
        k = _rows(key, key_row, _CONTENT, channel, channel < _CONTENT)
        v = _rows(value, key_row, _CONTENT, channel, channel < _CONTENT)
        f = _rows(value, key_row, _CONTENT, _source_channel(source), source < _SOURCES)
        kx, ky, kx_low, ky_low = _position(position, token[None, :])
        dx, dy = ((kx - qx) + (kx_low - qx_low)) * per_length, ((ky - qy) + (ky_low - qy_low)) * per_length
        taper = tl.where((at < count)[None, :], _taper(dx, dy, reach2), 0.0)
        logit = _bias(dx, dy, xx, xy, yy, bx, by) + tl.load(position + token * 8 + 6)[None, :]
        logit += tl.dot(q, tl.trans(k), input_precision="ieee")
        p = tl.exp(tl.where(taper > 0, logit - lse, _LOWEST)) * taper
        dp = tl.dot(g, tl.trans(v), input_precision="ieee")
        dp += dx * tl.dot(gx, tl.trans(f), input_precision="ieee") + dy * tl.dot(
            gy, tl.trans(f), input_precision="ieee"
        )
        ds = p * (dp - mean)
        dq = tl.dot(ds.to(k.dtype), k, dq, input_precision="ieee")
        sx, sy = ds * dx, ds * dy
        dxx += tl.sum(sx * dx, 1)
        dxy += tl.sum(sx * dy, 1)
        dyy += tl.sum(sy * dy, 1)
        dbx += tl.sum(sx, 1)
        dby += tl.sum(sy, 1)
        rest += tl.sum(ds, 1)
        sx, sy = p * dx, p * dy
        pxx += tl.sum(sx * dx, 1)
        pxy += tl.sum(sx * dy, 1)
        pyy += tl.sum(sy * dy, 1)
        px += tl.sum(sx, 1)
        py += tl.sum(sy, 1)

    tl.store(grad_query + row[:, None] * _CONTENT + channel[None, :], dq, mask=(channel < _CONTENT)[None, :])
    at = grad_localisation + row * 5
    # The sum of ds is 0 apart from the rounding of p in the mean, which far keys would amplify: it is taken out again.
    tl.store(at, -0.5 * (dxx - rest * pxx))
    tl.store(at + 1, rest * pxy - dxy)
    tl.store(at + 2, -0.5 * (dyy - rest * pyy))
    tl.store(at + 3, dbx - rest * px)
    tl.store(at + 4, dby - rest * py)


@triton.jit(do_not_specialize=["longest"])
@no_type_check
def differentiate_keys(
    query, key, value, localisation, position, tokens, counts, grad, log_sum, delta, grad_key, grad_value,
    n_tokens, heads, longest, WIDTH: tl.constexpr, TILE: tl.constexpr,
):  # fmt: skip
    """Compute the gradients of the keys and values of a cluster; the listed tokens are queries.

    Tiles are keys by queries.

    Args:
        query, key, value, localisation, position, tokens, counts: tables, see the top of this module.
        grad, log_sum, delta: gradient of the output, and kept results.
        grad_key, grad_value: results.
        n_tokens, heads, longest: sizes of the tables.
        WIDTH, TILE: tokens of a cluster, and listed tokens at a time.
    """
    cluster, head = tl.program_id(0) // heads, tl.program_id(0) % heads
    batch = tl.program_id(1).to(tl.int64)
    channel, source = tl.arange(0, 64), tl.arange(0, 16)
    own = cluster * WIDTH + tl.arange(0, WIDTH)
    row = (batch * n_tokens + own) * heads + head
    k = _rows(key, row, _CONTENT, channel, channel < _CONTENT)
    v = _rows(value, row, _CONTENT, channel, channel < _CONTENT)
    f = _rows(value, row, _CONTENT, _source_channel(source), source < _SOURCES)
    kx, ky, kx_low, ky_low = _position(position, own[:, None])
    log_area = tl.load(position + own * 8 + 6)[:, None]
    dk = tl.zeros([WIDTH, 64], tl.float32)
    dv = tl.zeros([WIDTH, 64], tl.float32)
    df = tl.zeros([WIDTH, 16], tl.float32)
    count = tl.load(counts + cluster)

    for first in range(0, count, TILE):
        at = first + tl.arange(0, TILE)
        token = tl.load(tokens + cluster.to(tl.int64) * longest + at, mask=at < count, other=0)
        query_row = (batch * n_tokens + token) * heads + head
        q = _rows(query, query_row, _CONTENT, channel, channel < _CONTENT)
        g = _rows(grad, query_row, 64, channel, channel < _CONTENT)
        gx = _rows(grad, query_row, 64, source + _CONTENT, source < _SOURCES)
        gy = _rows(grad, query_row, 64, source + _CONTENT + _SOURCES, source < _SOURCES)
        qx, qy, qx_low, qy_low = _position(position, token[None, :])
        per_length, reach2 = _reach(position, token[None, :])
        xx, xy, yy, bx, by = _coefficients(localisation, query_row[None, :])
        number = (batch * heads + head) * n_tokens + token
        lse, mean = tl.load(log_sum + number)[None, :], tl.load(delta + number)[None, :]
        dx, dy = ((kx - qx) + (kx_low - qx_low)) * per_length, ((ky - qy) + (ky_low - qy_low)) * per_length
        taper = tl.where((at < count)[None, :], _taper(dx, dy, reach2), 0.0)
        logit = _bias(dx, dy, xx, xy, yy, bx, by) + log_area
        logit += tl.dot(k, tl.trans(q), input_precision="ieee")
        p = tl.exp(tl.where(taper > 0, logit - lse, _LOWEST)) * taper
        dp = tl.dot(v, tl.trans(g), input_precision="ieee")
        dp += dx * tl.dot(f, tl.trans(gx), input_precision="ieee") + dy * tl.dot(
            f, tl.trans(gy), input_precision="ieee"
        )
        dk = tl.dot((p * (dp - mean)).to(q.dtype), q, dk, input_precision="ieee")
        dv = tl.dot(p.to(g.dtype), g, dv, input_precision="ieee")
        df = tl.dot((p * dx).to(g.dtype), gx, df, input_precision="ieee")
        df = tl.dot((p * dy).to(g.dtype), gy, df, input_precision="ieee")

    # Gradients of the sources go to their content channels: an exact product with a matrix of zeros and ones.
    selection = (_source_channel(source)[:, None] == channel[None, :]) & (source < _SOURCES)[:, None]
    dv = tl.dot(df, selection.to(tl.float32), dv, input_precision="ieee")
    at = row[:, None] * _CONTENT + channel[None, :]
    tl.store(grad_key + at, dk, mask=(channel < _CONTENT)[None, :])
    tl.store(grad_value + at, dv, mask=(channel < _CONTENT)[None, :])
