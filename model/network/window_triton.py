# mypy: allow-untyped-defs, allow-incomplete-defs
"""Triton kernels of `window_passes`. Importing it needs Triton, which comes with PyTorch's CUDA builds for Linux.

Each row of a tile is a token in the order of the windows. All sizes are known when a kernel is compiled.
"""

import triton
import triton.language as tl


@triton.jit
def _sources(row, rows, sizes: tl.constexpr):
    """For tokens in the order of the windows, `rows` in all: their places in the map (B, T, H, W), whether they are there and no
    padding, and their samples."""
    wt: tl.constexpr = sizes[2][0]
    wh: tl.constexpr = sizes[2][1]
    ww: tl.constexpr = sizes[2][2]
    nt: tl.constexpr = sizes[1][0] // wt
    nh: tl.constexpr = sizes[1][1] // wh
    nw: tl.constexpr = sizes[1][2] // ww
    token, window = row % (wt * wh * ww), row // (wt * wh * ww)
    sample = window // (nt * nh * nw)
    t = (window // (nh * nw) % nt * wt + token // (wh * ww) + sizes[3][0]) % sizes[1][0]
    h = (window // nw % nh * wh + token // ww % wh + sizes[3][1]) % sizes[1][1]
    w = (window % nw * ww + token % ww + sizes[3][2]) % sizes[1][2]
    real = (row < rows) & (t < sizes[0][0]) & (h < sizes[0][1]) & (w < sizes[0][2])
    place = ((sample * sizes[0][0] + t) * sizes[0][1] + h) * sizes[0][2] + w
    return place.to(tl.int64), real, sample


@triton.jit
def norm_forward(
    x, weight, bias, out, means, rstds, rows, eps,
    sizes: tl.constexpr, width: tl.constexpr, block: tl.constexpr, tile: tl.constexpr,
):  # fmt: skip
    """out[row] = LN(x[source]), 0 for padding. Keeps mean and 1 / deviation of each row."""
    row = tl.program_id(0) * tile + tl.arange(0, tile)
    column = tl.arange(0, block)
    source, real, _ = _sources(row, rows, sizes)
    cells = real[:, None] & (column < width)[None, :]
    value = tl.load(x + source[:, None] * width + column[None, :], mask=cells, other=0.0).to(tl.float32)
    mean = tl.sum(value, 1) / width
    centred = tl.where(cells, value - mean[:, None], 0.0)
    rstd = 1.0 / tl.sqrt(tl.sum(centred * centred, 1) / width + eps)
    scale = tl.load(weight + column, mask=column < width, other=0.0).to(tl.float32)
    shift = tl.load(bias + column, mask=column < width, other=0.0).to(tl.float32)
    made = tl.where(cells, centred * rstd[:, None] * scale[None, :] + shift[None, :], 0.0)
    inside = (row < rows)[:, None] & (column < width)[None, :]
    tl.store(out + row.to(tl.int64)[:, None] * width + column[None, :], made.to(out.dtype.element_ty), mask=inside)
    tl.store(means + row, mean, mask=row < rows)
    tl.store(rstds + row, rstd, mask=row < rows)


@triton.jit
def norm_backward(
    x, weight, grad, means, rstds, dx, dweights, dbiases, rows,
    sizes: tl.constexpr, width: tl.constexpr, block: tl.constexpr, tile: tl.constexpr, turns: tl.constexpr,
):  # fmt: skip
    """dx[source] = rstd (g - mean(g) - xhat mean(g xhat)) with g = grad[row] weight; each program sums its share of the
    gradients of weight and bias."""
    program = tl.program_id(0)
    column = tl.arange(0, block)
    scale = tl.load(weight + column, mask=column < width, other=0.0).to(tl.float32)
    dweight = tl.zeros((block,), tl.float32)
    dbias = tl.zeros((block,), tl.float32)
    for turn in range(turns):
        row = (program * turns + turn) * tile + tl.arange(0, tile)
        source, real, _ = _sources(row, rows, sizes)
        cells = real[:, None] & (column < width)[None, :]
        mean = tl.load(means + row, mask=real, other=0.0)
        rstd = tl.load(rstds + row, mask=real, other=0.0)
        at = source[:, None] * width + column[None, :]
        value = tl.load(x + at, mask=cells, other=0.0).to(tl.float32)
        given = tl.load(grad + row.to(tl.int64)[:, None] * width + column[None, :], mask=cells, other=0.0).to(
            tl.float32
        )
        normal = tl.where(cells, (value - mean[:, None]) * rstd[:, None], 0.0)
        dweight += tl.sum(given * normal, 0)
        dbias += tl.sum(given, 0)
        scaled = given * scale[None, :]
        first, second = tl.sum(scaled, 1) / width, tl.sum(scaled * normal, 1) / width
        made = rstd[:, None] * (scaled - first[:, None] - normal * second[:, None])
        tl.store(dx + at, made.to(dx.dtype.element_ty), mask=cells)
    tl.store(dweights + program * width + column, dweight, mask=column < width)
    tl.store(dbiases + program * width + column, dbias, mask=column < width)


@triton.jit
def add_forward(
    x, y, scales, out, rows,
    sizes: tl.constexpr, width: tl.constexpr, block: tl.constexpr, tile: tl.constexpr,
):  # fmt: skip
    """out[source] = x[source] + scales[sample] y[row]."""
    row = tl.program_id(0) * tile + tl.arange(0, tile)
    column = tl.arange(0, block)
    source, real, sample = _sources(row, rows, sizes)
    cells = real[:, None] & (column < width)[None, :]
    scale = tl.load(scales + sample, mask=real, other=0.0)
    at = source[:, None] * width + column[None, :]
    kept = tl.load(x + at, mask=cells, other=0.0).to(tl.float32)
    added = tl.load(y + row.to(tl.int64)[:, None] * width + column[None, :], mask=cells, other=0.0).to(tl.float32)
    tl.store(out + at, (kept + scale[:, None] * added).to(out.dtype.element_ty), mask=cells)


@triton.jit
def add_backward(
    grad, scales, dy, rows,
    sizes: tl.constexpr, width: tl.constexpr, block: tl.constexpr, tile: tl.constexpr,
):  # fmt: skip
    """dy[row] = scales[sample] grad[source], 0 for padding."""
    row = tl.program_id(0) * tile + tl.arange(0, tile)
    column = tl.arange(0, block)
    source, real, sample = _sources(row, rows, sizes)
    cells = real[:, None] & (column < width)[None, :]
    scale = tl.load(scales + sample, mask=real, other=0.0)
    value = tl.load(grad + source[:, None] * width + column[None, :], mask=cells, other=0.0).to(tl.float32)
    inside = (row < rows)[:, None] & (column < width)[None, :]
    tl.store(
        dy + row.to(tl.int64)[:, None] * width + column[None, :],
        (scale[:, None] * value).to(dy.dtype.element_ty),
        mask=inside,
    )
