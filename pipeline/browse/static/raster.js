// Draws millions of points into a picture, pixel by pixel: a point is mixed into what is there, so that many points show as a
// denser colour. A processor draws a million points in some milliseconds; no graphics card is needed.

/** Points as the server packs them: browse/plot.py. */
export function unpack(buffer) {
  const length = new DataView(buffer).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  const { points } = header;
  let at = 4 + length;
  const take = (Kind) => {
    const array = new Kind(buffer, at, points);
    at += points * Kind.BYTES_PER_ELEMENT;
    return array;
  };
  return { ...header, xs: take(Float32Array), ys: take(Float32Array), rows: take(Int32Array), codes: take(Uint8Array), own: take(Uint8Array) };
}

/**
 * Draw points. `view` has scale and offset of both axes: pixel = value * scale + offset. `colours` are [r, g, b], one for each
 * code; `faint` is for points that are not chosen, `ground` is the colour of the picture. With a `step`, only every so many
 * points are drawn, as is enough while the picture moves.
 */
export function draw(image, data, view, colours, faint, ground, step = 1) {
  const { width, height } = image;
  const pixels = image.data;
  new Uint32Array(pixels.buffer).fill((255 << 24) | (ground[2] << 16) | (ground[1] << 8) | ground[0]);
  const { xs, ys, codes, own, points, chosen } = data;
  const { sx, sy, ox, oy } = view;
  const size = points > 200_000 ? 1 : points > 20_000 ? 2 : points > 2_000 ? 4 : 6;
  const half = size >> 1;
  const weight = points > 200_000 ? 110 : points > 20_000 ? 150 : 215; // of 256
  for (const pass of chosen === points ? [1] : [0, 1]) {
    const [reds, greens, blues] = [0, 1, 2].map((part) => Int32Array.from({ length: 256 }, (_, code) => ((pass && colours[code]) || faint)[part]));
    for (let n = 0; n < points; n += step) {
      if (own[n] !== pass) continue;
      const left = Math.floor(xs[n] * sx + ox) - half;
      const top = Math.floor(ys[n] * sy + oy) - half;
      if (!(left >= 0 && top >= 0 && left + size <= width && top + size <= height)) continue;
      const code = codes[n];
      for (let y = top; y < top + size; y += 1) {
        for (let at = (y * width + left) << 2, end = at + (size << 2); at < end; at += 4) {
          pixels[at] += ((reds[code] - pixels[at]) * weight) >> 8;
          pixels[at + 1] += ((greens[code] - pixels[at + 1]) * weight) >> 8;
          pixels[at + 2] += ((blues[code] - pixels[at + 2]) * weight) >> 8;
        }
      }
    }
  }
}

/** The number of the point nearest to a pixel, at most `reach` pixels away; -1 where there is none. Chosen ones come first. */
export function nearest(data, view, px, py, reach) {
  let [best, found] = [reach * reach, -1];
  for (const pass of [1, 0]) {
    for (let n = 0; n < data.points; n += 1) {
      if (data.own[n] !== pass) continue;
      const dx = data.xs[n] * view.sx + view.ox - px;
      const dy = data.ys[n] * view.sy + view.oy - py;
      const distance = dx * dx + dy * dy;
      if (distance < best) [best, found] = [distance, n];
    }
    if (found >= 0) break;
  }
  return found;
}
