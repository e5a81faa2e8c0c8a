// What the technician's hands do over the screen, as input messages. Nothing stays pressed when the page loses the focus.

import type { Button } from '../api/types/Button';
import type { Input } from '../api/types/Input';

const BUTTONS: Button[] = ['left', 'middle', 'right', 'back', 'forward'];
/** Pixels a line and a page of a wheel stand for. */
const WHEEL_UNIT = [1, 33, 400];

export interface Place {
  x: number;
  y: number;
}

/** Where on the shared screen a point of the page lies. */
export function place(box: DOMRect, width: number, height: number, clientX: number, clientY: number): Place {
  const along = (from: number, length: number, size: number, at: number) =>
    Math.max(0, Math.min(size - 1, Math.floor(((at - from) / length) * size)));
  return { x: along(box.left, box.width, width, clientX), y: along(box.top, box.height, height, clientY) };
}

export class Hands {
  private move: Place | null = null;
  private scheduled = false;
  private pressed = new Set<string>();
  private down = false;
  private stop = new AbortController();

  /**
   * `surface` takes the pointer, `keyboard` is a text area that takes keys and composed text; `may` says whether control
   * is granted now.
   */
  constructor(
    private surface: HTMLCanvasElement,
    private keyboard: HTMLTextAreaElement,
    private may: () => boolean,
    private send: (input: Input) => void
  ) {
    const on = <E extends Event>(target: EventTarget, name: string, act: (event: E) => void, passive = false) =>
      target.addEventListener(name, act as EventListener, { signal: this.stop.signal, passive });
    on<PointerEvent>(surface, 'pointermove', (e) => this.moved(e));
    on<PointerEvent>(surface, 'pointerdown', (e) => this.button(e, true));
    on<PointerEvent>(surface, 'pointerup', (e) => this.button(e, false));
    on<PointerEvent>(surface, 'pointercancel', () => this.release());
    on<WheelEvent>(surface, 'wheel', (e) => this.wheel(e));
    on<Event>(surface, 'contextmenu', (e) => e.preventDefault());
    on<KeyboardEvent>(keyboard, 'keydown', (e) => this.key(e, true));
    on<KeyboardEvent>(keyboard, 'keyup', (e) => this.key(e, false));
    on<CompositionEvent>(keyboard, 'compositionend', (e) => this.composed(e.data));
    // Emoji pickers, dictation and the like produce text without keys.
    on<InputEvent>(keyboard, 'input', (e) => e.isComposing || this.composed(keyboard.value));
    on<ClipboardEvent>(keyboard, 'paste', (e) => e.preventDefault());
    on<FocusEvent>(keyboard, 'blur', () => this.release());
    on<Event>(window, 'blur', () => this.release());
  }

  detach() {
    this.release();
    this.stop.abort();
  }

  private at(event: MouseEvent): Place {
    return place(
      this.surface.getBoundingClientRect(),
      this.surface.width,
      this.surface.height,
      event.clientX,
      event.clientY
    );
  }

  /** Moves are sent once a frame: only the newest counts. */
  private moved(event: PointerEvent) {
    if (!this.may()) return;
    this.move = this.at(event);
    if (this.scheduled) return;
    this.scheduled = true;
    requestAnimationFrame(() => {
      this.scheduled = false;
      this.flushMove();
    });
  }

  private flushMove() {
    if (this.move && this.may()) this.send({ type: 'move', ...this.move });
    this.move = null;
  }

  private button(event: PointerEvent, down: boolean) {
    this.keyboard.focus({ preventScroll: true });
    event.preventDefault();
    const button = BUTTONS[event.button];
    if (!this.may() || !button) return;
    if (down) this.surface.setPointerCapture(event.pointerId);
    this.move = null;
    this.down = down;
    this.send({ type: 'press', button, down, ...this.at(event) });
  }

  private wheel(event: WheelEvent) {
    event.preventDefault();
    if (!this.may()) return;
    const unit = WHEEL_UNIT[event.deltaMode] ?? 1;
    this.send({
      type: 'wheel',
      dx: Math.round(event.deltaX * unit),
      dy: Math.round(event.deltaY * unit),
      ...this.at(event)
    });
  }

  private key(event: KeyboardEvent, down: boolean) {
    if (event.isComposing || event.key === 'Process' || event.key === 'Unidentified') return;
    // The documented way out of the captured keyboard.
    if (event.key === 'Escape' && event.shiftKey && event.ctrlKey) {
      if (down) this.keyboard.blur();
      return;
    }
    if (event.key === 'Dead') return;
    event.preventDefault();
    if (!this.may()) return;
    if (event.getModifierState('AltGraph') && [...event.key].length === 1) {
      if (down) this.send({ type: 'text', text: event.key });
      return;
    }
    if (!down && !this.pressed.has(event.code)) return;
    if (down) this.pressed.add(event.code);
    else this.pressed.delete(event.code);
    this.send({ type: 'key', code: event.code, key: event.key, down });
  }

  private composed(text: string) {
    this.keyboard.value = '';
    if (this.may() && text) this.send({ type: 'text', text: [...text].slice(0, 256).join('') });
  }

  private release() {
    if (this.pressed.size === 0 && !this.down) return;
    this.pressed.clear();
    this.down = false;
    this.send({ type: 'release_all' });
  }
}
