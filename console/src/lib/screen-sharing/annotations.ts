// Drawings of technicians on a screen that a browser shares: painted into the pictures, so that everybody and the
// recording see them, and shown to the customer on the page, because a page cannot draw on their screen.

import type { Mark } from '$lib/api/types/Mark';

/** How long a drawing is shown, in milliseconds. */
const STAYS = 6_000;
/** The most drawings at once; the oldest goes first. */
const MOST = 32;
/** Red, because few desktops are. */
const COLOUR = '#e51c23';
const THICK = 5;
const RING = 34;
const HEAD = 26;

/** Draws one mark, in pixels of the shared screen. */
export function paint(to: CanvasRenderingContext2D | OffscreenCanvasRenderingContext2D, mark: Mark) {
  to.strokeStyle = COLOUR;
  to.lineWidth = THICK;
  to.lineCap = to.lineJoin = 'round';
  to.beginPath();
  switch (mark.is) {
    case 'pen':
      mark.points.forEach(([x, y], n) => (n ? to.lineTo(x, y) : to.moveTo(x, y)));
      break;
    case 'box':
      to.rect(mark.from[0], mark.from[1], mark.to[0] - mark.from[0], mark.to[1] - mark.from[1]);
      break;
    case 'spot':
      to.arc(mark.at[0], mark.at[1], RING, 0, 2 * Math.PI);
      break;
    case 'arrow': {
      const angle = Math.atan2(mark.to[1] - mark.from[1], mark.to[0] - mark.from[0]);
      to.moveTo(...mark.from);
      to.lineTo(...mark.to);
      for (const side of [-2.6, 2.6]) {
        to.moveTo(...mark.to);
        to.lineTo(mark.to[0] + HEAD * Math.cos(angle + side), mark.to[1] + HEAD * Math.sin(angle + side));
      }
    }
  }
  to.stroke();
}

/** The marks that are shown now. */
export class Marks {
  private shown: Mark[] = [];
  private canvas: OffscreenCanvas | null = null;

  /** `changed` is called whenever the marks have changed. */
  constructor(private changed: () => void) {}

  draw(mark: Mark) {
    this.shown = [...this.shown, mark].slice(-MOST);
    this.changed();
    setTimeout(() => {
      this.shown = this.shown.filter((m) => m !== mark);
      this.changed();
    }, STAYS);
  }

  get any() {
    return this.shown.length > 0;
  }

  /** The picture with the marks on it. */
  on(frame: VideoFrame): OffscreenCanvas {
    const { displayWidth: width, displayHeight: height } = frame;
    if (this.canvas?.width !== width || this.canvas.height !== height) this.canvas = new OffscreenCanvas(width, height);
    const to = this.canvas.getContext('2d')!;
    to.drawImage(frame, 0, 0, width, height);
    for (const mark of this.shown) paint(to, mark);
    return this.canvas;
  }
}
