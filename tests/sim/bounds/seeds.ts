import type { LineShape } from "@kwik/testkit";

/** Loss, jitter and sizes of pieces are drawn, and nothing else in a world: a bound over lines with them holds for each of these, or says for how many. */
const SEEDS: readonly number[] = [1, 2, 3, 4, 5];

/** The seeds to try a bound with: over lines that draw nothing one is like another. */
export function seedsFor(lines: readonly LineShape[]): readonly number[] {
  return lines.some(draws) ? SEEDS : SEEDS.slice(0, 1);
}

function draws({ up, down = up }: LineShape): boolean {
  return [up, down].some(
    ({ lossRate = 0, datagramLossRate = 0, jitterMs = 0, isRagged = false }) => lossRate + datagramLossRate + jitterMs > 0 || isRagged,
  );
}
