// The arithmetic of the explorer: from the bytes in the file to attention, rollout and single numbers. It knows nothing
// of the page. Letters are those of the project: i image, l block, h head, q and k tokens; N tokens, H heads, K the
// width of a head. A map's row q says how token q divides its attention among all tokens; it adds up to 1.
"use strict";

// ---- bytes

// The bytes of base64 text, inflated if they are compressed.
async function bytesOf(base64, compressed) {
  const text = atob(base64.trim());
  const bytes = new Uint8Array(text.length);
  for (let n = 0; n < text.length; n++) bytes[n] = text.charCodeAt(n);
  if (!compressed) return bytes;
  const inflated = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(inflated).arrayBuffer());
}

// The number that 16 bits stand for: a sign, 5 bits of exponent, 10 of fraction.
function float16(bits) {
  const sign = bits & 0x8000 ? -1 : 1, exponent = bits >> 10 & 31, fraction = bits & 1023;
  return sign * (exponent ? (1 + fraction / 1024) * 2 ** (exponent - 15) : fraction * 2 ** -24);
}

// The numbers of one array: entry says its type, its shape and where it begins.
function arrayOf(entry, bytes) {
  const count = entry.shape.reduce((product, side) => product * side, 1);
  if (entry.type === "float16") {
    const numbers = new Float32Array(count), view = new DataView(bytes.buffer, bytes.byteOffset + entry.at);
    for (let n = 0; n < count; n++) numbers[n] = float16(view.getUint16(2 * n, true));
    return numbers;
  }
  const codes = bytes.slice(entry.at, entry.at + count);
  return entry.surprises ? expected(codes, ...entry.shape.slice(-2)) : codes;
}

// The inverse of `surprises` in codes.py (Paeth's predictor, as in PNG): to each code the one of its neighbours above,
// left and between them is added that is nearest to above + left - between. Bytes wrap around.
function expected(codes, rows, width) {
  for (let n = 0; n < codes.length; n++) {
    const x = n % width, y = Math.floor(n / width) % rows;
    const left = x ? codes[n - 1] : 0, above = y ? codes[n - width] : 0, between = x && y ? codes[n - width - 1] : 0;
    const fromLeft = Math.abs(above - between), fromAbove = Math.abs(left - between);
    const fromBetween = Math.abs(above + left - 2 * between);
    codes[n] += fromLeft <= fromAbove && fromLeft <= fromBetween ? left : fromAbove <= fromBetween ? above : between;
  }
  return codes;
}

// ---- one model and what it computed

class Model {
  constructor(about, bytes) {
    Object.assign(this, about);                     // name, grid, patch, prefix, images, kept, distance, ...
    this.data = {};
    for (const [name, entry] of Object.entries(about.arrays)) this.data[name] = arrayOf(entry, bytes);
    [this.B, this.L, this.H, this.N] = about.arrays.codes.shape;
    this.K = about.arrays.q.shape[3];
    [, this.C, this.Sy, this.Sx] = about.arrays.pixels.shape;
    [this.Gy, this.Gx] = about.grid;
    this.leastCosine = this.data.positions ? this.data.positions.reduce((a, b) => Math.min(a, b)) / 127.5 - 1 : 0;
    this.memory = new Map();
  }

  // Whatever `compute` returns, computed once for each key.
  once(key, compute) {
    if (!this.memory.has(key)) this.memory.set(key, compute());
    return this.memory.get(key);
  }

  // One attention weight: how much of its attention token q pays to token k.
  weight(i, l, h, q, k) {
    const row = ((i * this.L + l) * this.H + h) * this.N + q;
    const code = this.data.codes[row * this.N + k] / 255;
    return this.data.largest[row] * code * code;
  }

  // How token q divides its attention among all tokens.
  row(i, l, h, q) {
    return Float32Array.from({length: this.N}, (_, k) => this.weight(i, l, h, q, k));
  }

  // How much attention each token pays to token k.
  column(i, l, h, k) {
    return Float32Array.from({length: this.N}, (_, q) => this.weight(i, l, h, q, k));
  }

  // The largest weight of a patch in any map of image i.
  largestOf(i) {
    return this.once(`largest ${i}`, () => {
      let largest = 0;
      for (let l = 0; l < this.L; l++) for (let h = 0; h < this.H; h++) for (let q = 0; q < this.N; q++)
        for (let k = this.prefix.length; k < this.N; k++) largest = Math.max(largest, this.weight(i, l, h, q, k));
      return largest;
    });
  }

  // Attention rollout (Abnar and Zuidema 2020) after each block, L arrays of N x N:
  //     R = normalised(A + I) R', A being the mean, max or min of the block's heads, R' what was before
  rollout(i, fusion) {
    return this.once(`rollout ${i} ${fusion}`, () => {
      const {L, N} = this, after = [];
      let before = Float64Array.from({length: N * N}, (_, n) => n % (N + 1) ? 0 : 1);
      for (let l = 0; l < L; l++) {
        const mixed = new Float64Array(N * N);
        for (let q = 0; q < N; q++) {
          const weights = this.fused(i, l, q, fusion);
          weights[q] += 1;
          const sum = weights.reduce((a, b) => a + b);
          for (let m = 0; m < N; m++) {
            const share = weights[m] / sum;
            for (let k = 0; k < N; k++) mixed[q * N + k] += share * before[m * N + k];
          }
        }
        after.push(before = mixed);
      }
      return after;
    });
  }

  // Row q of the map that stands for all heads of a block.
  fused(i, l, q, fusion) {
    const rows = Array.from({length: this.H}, (_, h) => this.row(i, l, h, q));
    const join = {mean: all => all.reduce((a, b) => a + b) / this.H, max: all => Math.max(...all),
                  min: all => Math.min(...all)}[fusion];
    return Float64Array.from({length: this.N}, (_, k) => join(rows.map(row => row[k])));
  }

  // The cosine of a patch's position embedding and those of all patches; null for a model without positions.
  similarity(patch) {
    if (!this.data.positions) return null;
    const n = this.Gy * this.Gx;
    return Float32Array.from({length: n}, (_, k) => this.data.positions[patch * n + k] / 127.5 - 1);
  }

  // One attention weight worked out from the query and the key, step by step; null where they are not in the file.
  worked(i, l, h, q, k) {
    const place = this.places().get(`${i} ${l}`);
    if (place === undefined) return null;
    const {H, N, K} = this, head = (place * H + h) * N;
    const query = this.data.q.subarray((head + q) * K, (head + q + 1) * K);
    const key = token => this.data.k.subarray((head + token) * K, (head + token + 1) * K);
    const products = token => key(token).map((value, c) => value * query[c]);
    const dots = Array.from({length: N}, (_, token) => products(token).reduce((a, b) => a + b));
    const scores = dots.map(dot => dot / Math.sqrt(K)), largest = Math.max(...scores);
    const powers = scores.map(score => Math.exp(score - largest)), sum = powers.reduce((a, b) => a + b);
    const lengths = this.data.values.subarray(head, head + N);
    const arriving = powers.map((power, token) => power / sum * lengths[token]);
    return {query, key: key(k), products: products(k), dot: dots[k], score: scores[k], largest, power: powers[k], sum,
            weight: powers[k] / sum, length: lengths[k],
            share: arriving[k] / arriving.reduce((a, b) => a + b)};
  }

  // Where the queries and keys of an image and a block lie among those in the file.
  places() {
    return this.once("worked", () => new Map(this.kept.map(([i, l], place) => [`${i} ${l}`, place])));
  }
}

// ---- numbers and colours

// The place of the largest of some numbers.
const argmax = numbers => numbers.reduce((best, value, n) => value > numbers[best] ? n : best, 0);

// Where a value from 0 to `largest` stands on the scale of colours, 0 to 1; the logarithmic one has three decades.
function onScale(value, largest, logarithmic) {
  if (!(largest > 0) || !(value > 0)) return 0;
  const share = Math.min(value / largest, 1);
  return logarithmic ? Math.max(0, 1 + Math.log10(share) / 3) : share;
}

// cividis (Nunez, Anderton and Renslow 2018): even steps of lightness, the same for colour-blind eyes.
const CIVIDIS = [[0, 34, 78], [18, 53, 112], [59, 73, 108], [87, 93, 109], [112, 113, 115], [138, 134, 120],
                 [165, 156, 116], [195, 179, 105], [225, 204, 85], [254, 232, 56]];

// The colour [red, green, blue] of a place on a scale from 0 to 1; without a scale, cividis.
function colourAt(place, scale = CIVIDIS) {
  const at = Math.min(Math.max(place, 0), 1) * (scale.length - 1);
  const below = Math.min(Math.floor(at), scale.length - 2), rest = at - below;
  return scale[below].map((value, c) => Math.round(value + rest * (scale[below + 1][c] - value)));
}

// From blue for -1 over grey-white for 0 to orange for 1: numbers with a sign.
const DIVERGING = [[0, 90, 160], [120, 170, 210], [240, 240, 238], [235, 165, 110], [200, 80, 0]];

// Round numbers from 0 to below `most`, three to six of them.
function ticks(most) {
  const step = [1, 2, 5, 10].map(one => one * 10 ** Math.floor(Math.log10(most / 5))).find(one => most / one <= 6);
  return Array.from({length: Math.ceil(most / step)}, (_, n) => n * step);
}

// A share as people read it.
function percent(share) {
  const hundredths = 100 * share;
  if (share > 0 && hundredths < 0.0005) return "< 0.001 %";
  return `${hundredths.toFixed(share === 0 ? 0 : hundredths >= 10 ? 1 : hundredths >= 0.1 ? 2 : 3)} %`;
}
