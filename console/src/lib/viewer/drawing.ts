// A technician's drawing with the pointer: from press to release, as one mark.

import type { Mark } from '$lib/api/types/Mark';
import type { Point } from './geometry';

export type Tool = 'spot' | 'arrow' | 'pen' | 'box';
/** More points than the wire allows are thinned out. */
const MOST_POINTS = 256;

export class Drawing {
  private points: Point[];

  constructor(
    readonly tool: Tool,
    at: Point
  ) {
    this.points = [at];
  }

  move(at: Point) {
    const last = this.points.at(-1)!;
    if (last.x !== at.x || last.y !== at.y) this.points.push(at);
  }

  /** The mark, when the pointer is released. */
  mark(): Mark {
    const pair = (p: Point): [number, number] => [p.x, p.y];
    const [first, last] = [this.points[0]!, this.points.at(-1)!];
    if (this.tool === 'spot') return { is: 'spot', at: pair(last) };
    if (this.tool !== 'pen') return { is: this.tool, from: pair(first), to: pair(last) };
    const step = Math.max(1, Math.ceil(this.points.length / (MOST_POINTS - 1)));
    const kept = this.points.filter((_, n) => n % step === 0 || n === this.points.length - 1);
    return { is: 'pen', points: kept.map(pair) };
  }
}
