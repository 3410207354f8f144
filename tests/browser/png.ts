import { inflateSync } from "node:zlib";

/** A picture, its pixels as rows of three or four bytes each. */
export interface Picture {
  readonly width: number;
  readonly height: number;
  readonly pixelBytes: number;
  readonly data: Uint8Array;
}

/** Decodes what browsers make of screenshots: PNG with 8 bits for each of red, green, blue and perhaps alpha, not interlaced. */
export function decodePng(png: Buffer): Picture {
  const width = png.readUInt32BE(16);
  const height = png.readUInt32BE(20);
  const [depth, colour, , , interlace] = png.subarray(24, 29);
  if (depth !== 8 || (colour !== 2 && colour !== 6) || interlace !== 0) throw new Error("this kind of PNG is not read here");
  const pixelBytes = colour === 2 ? 3 : 4;
  const parts: Buffer[] = [];
  for (let at = 8; at < png.length; at += 12 + png.readUInt32BE(at)) {
    if (png.toString("latin1", at + 4, at + 8) === "IDAT") parts.push(png.subarray(at + 8, at + 8 + png.readUInt32BE(at)));
  }
  return { width, height, pixelBytes, data: unfiltered(inflateSync(Buffer.concat(parts)), width * pixelBytes, height, pixelBytes) };
}

/** Pixels of exactly this colour. */
export function countPixels({ data, pixelBytes }: Picture, [red, green, blue]: readonly [number, number, number]): number {
  let count = 0;
  for (let at = 0; at < data.length; at += pixelBytes) {
    if (data[at] === red && data[at + 1] === green && data[at + 2] === blue) count += 1;
  }
  return count;
}

/** Undoes the filters of the rows. PNG specification, section 9 */
function unfiltered(raw: Uint8Array, rowBytes: number, height: number, pixelBytes: number): Uint8Array {
  const data = new Uint8Array(rowBytes * height);
  for (let row = 0; row < height; row += 1) {
    const filter = raw[row * (rowBytes + 1)];
    for (let i = 0; i < rowBytes; i += 1) {
      const at = row * rowBytes + i;
      const left = i < pixelBytes ? 0 : (data[at - pixelBytes] ?? 0);
      const up = row === 0 ? 0 : (data[at - rowBytes] ?? 0);
      const corner = row === 0 || i < pixelBytes ? 0 : (data[at - rowBytes - pixelBytes] ?? 0);
      const predicted = [0, left, up, (left + up) >> 1, paeth(left, up, corner)][filter ?? 0] ?? 0;
      data[at] = (raw[at + row + 1] ?? 0) + predicted;
    }
  }
  return data;
}

function paeth(left: number, up: number, corner: number): number {
  const guess = left + up - corner;
  const [toLeft, toUp, toCorner] = [Math.abs(guess - left), Math.abs(guess - up), Math.abs(guess - corner)];
  if (toLeft <= toUp && toLeft <= toCorner) return left;
  return toUp <= toCorner ? up : corner;
}
