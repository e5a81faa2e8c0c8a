// Captures the technician's pointer and keyboard over the screen, as input messages. Nothing stays pressed when the
// page loses the focus, is hidden, or may no longer control. While anything is held, the page repeats that.

import type { Button } from '$lib/api/types/Button';
import type { Input } from '$lib/api/types/Input';
import { pointOnScreen, type Point } from './geometry';
import { Keys, texts } from './keys';

/** The buttons of `PointerEvent.buttons`, lowest bit first. */
const BUTTONS: Button[] = ['left', 'right', 'middle', 'back', 'forward'];
/** Pixels for a line and for a page of a wheel. */
const WHEEL_UNIT = [1, 33, 400];
/** How often held keys are repeated: `HELD_EVERY` of the protocol. */
const HELD_EVERY = 300;

/** What a key produces alone on this keyboard, if the browser tells. */
async function layout(): Promise<(code: string) => string | undefined> {
  const { keyboard } = navigator as { keyboard?: { getLayoutMap(): Promise<Map<string, string>> } };
  const map = await keyboard?.getLayoutMap().catch(() => undefined);
  return (code) => map?.get(code);
}

export class InputCapture {
  private move: Point | null = null;
  private scheduled = false;
  private buttons = new Set<Button>();
  private base: (code: string) => string | undefined = () => undefined;
  private keys = new Keys(/^(Mac|iP)/.test(navigator.platform), (code) => this.base(code));
  private renewal?: ReturnType<typeof setInterval>;
  private stop = new AbortController();

  /**
   * `surface` takes the pointer, `keyboard` is a text area that takes keys and composed text; `may` says whether control
   * is allowed now.
   */
  constructor(
    private surface: HTMLCanvasElement,
    private keyboard: HTMLTextAreaElement,
    private may: () => boolean,
    private tell: (input: Input) => void
  ) {
    void layout().then((base) => (this.base = base));
    const on = <E extends Event>(target: EventTarget, name: string, act: (event: E) => void, passive = false) =>
      target.addEventListener(name, act as EventListener, { signal: this.stop.signal, passive });
    on<PointerEvent>(surface, 'pointermove', (e) => this.moved(e));
    on<PointerEvent>(surface, 'pointerdown', (e) => this.button(e));
    on<PointerEvent>(surface, 'pointerup', (e) => this.button(e));
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
    on<Event>(window, 'pagehide', () => this.release());
    on<Event>(document, 'visibilitychange', () => document.hidden && this.release());
  }

  detach() {
    this.release();
    this.stop.abort();
  }

  /** Releases everything. */
  release() {
    const any = this.isAny();
    this.keys.forget();
    this.buttons.clear();
    this.move = null;
    clearInterval(this.renewal);
    this.renewal = undefined;
    if (any) this.tell({ type: 'release_all' });
  }

  private isAny() {
    return this.buttons.size > 0 || this.keys.held().length > 0;
  }

  /** Sends messages, and starts or stops repeating what is held. */
  private send(inputs: Input[]) {
    for (const input of inputs) this.tell(input);
    if (!this.isAny()) {
      clearInterval(this.renewal);
      this.renewal = undefined;
    } else this.renewal ??= setInterval(() => this.renew(), HELD_EVERY);
  }

  private renew() {
    if (!this.may()) return this.release();
    this.tell({ type: 'held', modifiers: this.keys.held(), buttons: [...this.buttons] });
  }

  private at(event: MouseEvent): Point {
    return pointOnScreen(this.surface.getBoundingClientRect(), this.surface, event.clientX, event.clientY);
  }

  /** Moves are sent once a frame: only the newest counts. */
  private moved(event: PointerEvent) {
    if (!this.may()) return;
    // A second button, and a release outside of the page, arrive as moves.
    if (this.changed(event).length > 0) return this.press(event);
    this.move = this.at(event);
    if (this.scheduled) return;
    this.scheduled = true;
    requestAnimationFrame(() => {
      this.scheduled = false;
      this.flushMove();
    });
  }

  private flushMove() {
    if (this.move && this.may()) this.send([{ type: 'move', ...this.move }]);
    this.move = null;
  }

  private button(event: PointerEvent) {
    this.keyboard.focus({ preventScroll: true });
    event.preventDefault();
    if (!this.may()) return;
    if (event.type === 'pointerdown') this.surface.setPointerCapture(event.pointerId);
    this.press(event);
  }

  /** The buttons that differ from those held. */
  private changed(event: PointerEvent): Button[] {
    return BUTTONS.filter((button, n) => ((event.buttons >> n) & 1) !== Number(this.buttons.has(button)));
  }

  private press(event: PointerEvent) {
    this.move = null;
    const at = this.at(event);
    const presses = this.changed(event).map((button): Input => {
      const down = !this.buttons.delete(button);
      if (down) this.buttons.add(button);
      return { type: 'press', button, down, ...at };
    });
    this.send([...this.keys.pointer(event), ...presses]);
  }

  private wheel(event: WheelEvent) {
    event.preventDefault();
    if (!this.may()) return;
    const unit = WHEEL_UNIT[event.deltaMode] ?? 1;
    const [dx, dy] = [Math.round(event.deltaX * unit), Math.round(event.deltaY * unit)];
    this.send([...this.keys.pointer(event), { type: 'wheel', dx, dy, ...this.at(event) }]);
  }

  private key(event: KeyboardEvent, down: boolean) {
    if (event.isComposing || ['Process', 'Unidentified', 'Dead'].includes(event.key)) return;
    // The documented way out of the captured keyboard.
    if (event.key === 'Escape' && event.shiftKey && event.ctrlKey) {
      if (down) this.keyboard.blur();
      return;
    }
    event.preventDefault();
    if (!this.may()) return;
    this.send(down ? this.keys.down(event) : this.keys.up(event));
  }

  private composed(text: string) {
    this.keyboard.value = '';
    if (this.may()) this.send(texts(text));
  }
}
