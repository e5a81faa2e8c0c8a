// The technician's keyboard as input messages. Pure: events in, messages out. Modifiers are taken from each event,
// not from earlier ones, so the next event corrects a missed release.

import type { Input } from '$lib/api/types/Input';
import type { Modifier } from '$lib/api/types/Modifier';

/** The used fields of a `KeyboardEvent`. */
export interface KeyPress {
  code: string;
  key: string;
  repeat: boolean;
  isComposing: boolean;
  ctrlKey: boolean;
  shiftKey: boolean;
  altKey: boolean;
  metaKey: boolean;
  getModifierState(name: string): boolean;
}

type Flags = Pick<KeyPress, 'ctrlKey' | 'shiftKey' | 'altKey' | 'metaKey'>;
type Kind = 'shift' | 'control' | 'alt' | 'meta';

const KINDS: { kind: Kind; key: string; flag: keyof Flags; code: string }[] = [
  { kind: 'shift', key: 'Shift', flag: 'shiftKey', code: 'ShiftLeft' },
  { kind: 'control', key: 'Control', flag: 'ctrlKey', code: 'ControlLeft' },
  { kind: 'alt', key: 'Alt', flag: 'altKey', code: 'AltLeft' },
  { kind: 'meta', key: 'Meta', flag: 'metaKey', code: 'MetaLeft' }
];
/** The most characters of one message. */
const MOST_TEXT = 256;
/** Other systems' names of the key with their logo. */
const META = ['Meta', 'OS', 'Super'];

/** A text of any length as messages. */
export function texts(text: string): Input[] {
  const all = [...text];
  const parts = Array.from({ length: Math.ceil(all.length / MOST_TEXT) }, (_, n) => n * MOST_TEXT);
  return parts.map((from) => ({ type: 'text', text: all.slice(from, from + MOST_TEXT).join('') }));
}

export class Keys {
  /** The modifiers that the customer's computer holds, and the codes of the keys that hold them here. */
  private modifiers = new Map<string, Modifier>();
  /** Other keys that are down. */
  private pressed = new Set<string>();
  private altGraph = false;
  /** On a Mac, Option produces characters: it becomes Alt only when something else than a character follows. */
  private option: { code: string; used: boolean } | null = null;

  /**
   * `base` tells what a key produces alone, if that is known.
   */
  constructor(
    private mac: boolean,
    private base: (code: string) => string | undefined = () => undefined
  ) {}

  /** What is held now. */
  held(): Modifier[] {
    return [...new Set(this.modifiers.values())];
  }

  /** Forgets everything, after it was released. */
  forget() {
    this.modifiers.clear();
    this.pressed.clear();
    this.altGraph = false;
    this.option = null;
  }

  down(event: KeyPress): Input[] {
    if (ignored(event)) return [];
    if (event.key === 'AltGraph') {
      this.altGraph = true;
      // Windows presses Control with AltGr.
      return this.letGo((modifier) => modifier.startsWith('control'));
    }
    const kind = kindOf(event);
    const synced = this.sync(event, kind, this.isThirdLevel(event));
    if (kind) return [...synced, ...this.modifierDown(event, kind)];
    if (this.isThirdLevel(event)) {
      if (this.option) this.option.used = true;
      return [...synced, { type: 'text', text: event.key }];
    }
    const option = this.takeOption();
    const { code, key } = event;
    // Its release was missed.
    const missed: Input[] = !event.repeat && this.pressed.has(code) ? [{ type: 'key', code, key, down: false }] : [];
    const struck: Input[] = [{ type: 'key', code, key, down: true }];
    // macOS reports no release while its command key is down.
    if (event.metaKey) struck.push({ type: 'key', code, key, down: false });
    else this.pressed.add(code);
    return [...synced, ...option, ...missed, ...struck];
  }

  up(event: KeyPress): Input[] {
    if (event.key === 'AltGraph') {
      this.altGraph = false;
      return [];
    }
    if (event.code === this.option?.code) {
      // Pressed and released alone, for example to open a menu.
      const alone = this.option.used ? [] : this.takeOption();
      this.option = null;
      return [...alone, ...this.release(event)];
    }
    return this.release(event);
  }

  /** The modifiers of a pointer event. */
  pointer(event: Flags): Input[] {
    const option = event.altKey ? this.takeOption() : [];
    return [...option, ...this.sync(event, null, false)];
  }

  private release(event: KeyPress): Input[] {
    const { code, key } = event;
    const modifier = this.modifiers.get(code);
    if (!modifier && !this.pressed.has(code)) return [];
    this.pressed.delete(code);
    this.modifiers.delete(code);
    return [{ type: 'key', code, key, down: false }];
  }

  private modifierDown(event: KeyPress, kind: Kind): Input[] {
    const { code } = event;
    if (this.modifiers.has(code) || this.option?.code === code) return [];
    if (this.mac && kind === 'alt') {
      this.option = { code, used: false };
      return [];
    }
    this.modifiers.set(code, modifierOf(kind, code));
    return [{ type: 'key', code, key: nameOf(kind), down: true }];
  }

  private takeOption(): Input[] {
    const code = this.option?.code;
    this.option = null;
    if (!code) return [];
    this.modifiers.set(code, modifierOf('alt', code));
    return [{ type: 'key', code, key: 'Alt', down: true }];
  }

  /** Changes the held modifiers to those of the event, except the one that it is about. */
  private sync(event: Flags, about: Kind | null, thirdLevel: boolean): Input[] {
    const all: Input[] = [];
    for (const { kind, key, flag, code } of KINDS) {
      if (kind === about) continue;
      const held = [...this.modifiers].some(([, modifier]) => modifier.startsWith(kind));
      // Control and Alt may have selected the character.
      const chosen = (thirdLevel || this.altGraph) && (kind === 'control' || kind === 'alt');
      if (held && !event[flag]) all.push(...this.letGo((modifier) => modifier.startsWith(kind)));
      else if (!held && event[flag] && !chosen && !(kind === 'alt' && this.option)) {
        this.modifiers.set(code, modifierOf(kind, code));
        all.push({ type: 'key', code, key, down: true });
      }
    }
    return all;
  }

  private letGo(which: (modifier: Modifier) => boolean): Input[] {
    const gone = [...this.modifiers].filter(([, modifier]) => which(modifier));
    return gone.map(([code, modifier]) => {
      this.modifiers.delete(code);
      return { type: 'key', code, key: nameOf(modifier.split('_')[0] as Kind), down: false };
    });
  }

  /** Whether AltGr, Control and Alt, or a Mac's Option made the character: then it is text. */
  private isThirdLevel(event: KeyPress): boolean {
    if ([...event.key].length !== 1) return false;
    if (this.altGraph || event.getModifierState('AltGraph')) return true;
    if (!event.altKey || event.metaKey) return false;
    const alone = this.base(event.code);
    const another = alone !== undefined ? alone !== event.key.toLowerCase() : !/[a-z0-9 ]/i.test(event.key);
    if (event.ctrlKey) return another && !event.shiftKey;
    return this.mac && another;
  }
}

function ignored(event: KeyPress): boolean {
  return event.isComposing || ['Process', 'Unidentified', 'Dead', ''].includes(event.key);
}

function kindOf(event: KeyPress): Kind | null {
  // With Shift, X reports Alt as Meta.
  if (event.key === 'Meta' && event.code.startsWith('Alt')) return 'alt';
  if (META.includes(event.key)) return 'meta';
  return KINDS.find(({ key }) => key === event.key)?.kind ?? null;
}

function nameOf(kind: Kind): string {
  return KINDS.find((k) => k.kind === kind)!.key;
}

function modifierOf(kind: Kind, code: string): Modifier {
  return `${kind}_${code.endsWith('Right') ? 'right' : 'left'}`;
}
