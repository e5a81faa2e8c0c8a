import { describe, expect, it } from 'vitest';
import type { Input } from '$lib/api/types/Input';
import { Keys, texts, type KeyPress } from './keys';

interface Given {
  ctrl?: boolean;
  shift?: boolean;
  alt?: boolean;
  meta?: boolean;
  altGraph?: boolean;
  repeat?: boolean;
}

function press(code: string, key: string, given: Given = {}): KeyPress {
  return {
    code,
    key,
    repeat: given.repeat ?? false,
    isComposing: false,
    ctrlKey: given.ctrl ?? false,
    shiftKey: given.shift ?? false,
    altKey: given.alt ?? false,
    metaKey: given.meta ?? false,
    getModifierState: (name) => name === 'AltGraph' && (given.altGraph ?? false)
  };
}

/** Messages in short form: `+KeyA` and `-KeyA` for keys, `"@"` for text. */
const short = (inputs: Input[]) =>
  inputs.map((i) => (i.type === 'key' ? `${i.down ? '+' : '-'}${i.code}` : i.type === 'text' ? `"${i.text}"` : i.type));

type Step = ['down' | 'up', string, string, Given?];

function play(keys: Keys, steps: Step[]): string[] {
  return steps.flatMap(([what, code, key, given]) => short(keys[what](press(code, key, given))));
}

const german = (code: string) => ({ KeyQ: 'q', KeyL: 'l', KeyT: 't', Digit7: '7' })[code];

describe('keys', () => {
  const table: { what: string; mac?: boolean; base?: boolean; steps: Step[]; sent: string[] }[] = [
    {
      what: 'a key goes down and up',
      steps: [
        ['down', 'KeyA', 'a'],
        ['down', 'KeyA', 'a', { repeat: true }],
        ['up', 'KeyA', 'a']
      ],
      sent: ['+KeyA', '+KeyA', '-KeyA']
    },
    {
      what: 'a modifier is told once, however often it repeats',
      steps: [
        ['down', 'ShiftLeft', 'Shift', { shift: true }],
        ['down', 'ShiftLeft', 'Shift', { shift: true, repeat: true }],
        ['down', 'KeyA', 'A', { shift: true }],
        ['up', 'KeyA', 'A', { shift: true }],
        ['up', 'ShiftLeft', 'Shift']
      ],
      sent: ['+ShiftLeft', '+KeyA', '-KeyA', '-ShiftLeft']
    },
    {
      what: 'AltGr of Windows, which comes with a Control',
      steps: [
        ['down', 'ControlLeft', 'Control', { ctrl: true }],
        ['down', 'AltRight', 'AltGraph', { ctrl: true, alt: true, altGraph: true }],
        ['down', 'KeyQ', '@', { ctrl: true, alt: true, altGraph: true }],
        ['up', 'KeyQ', '@', { ctrl: true, alt: true, altGraph: true }],
        ['up', 'ControlLeft', 'Control'],
        ['up', 'AltRight', 'AltGraph']
      ],
      sent: ['+ControlLeft', '-ControlLeft', '"@"']
    },
    {
      what: 'AltGr that no modifier state tells of',
      steps: [
        ['down', 'AltRight', 'AltGraph'],
        ['down', 'Digit7', '{', { ctrl: true, alt: true }],
        ['up', 'AltRight', 'AltGraph'],
        ['down', 'KeyA', 'a']
      ],
      sent: ['"{"', '+KeyA']
    },
    {
      what: 'Control and Alt together for a character of a third level',
      base: true,
      steps: [
        ['down', 'ControlLeft', 'Control', { ctrl: true }],
        ['down', 'AltLeft', 'Alt', { ctrl: true, alt: true }],
        ['down', 'KeyQ', '@', { ctrl: true, alt: true }],
        ['down', 'KeyT', 't', { ctrl: true, alt: true }]
      ],
      sent: ['+ControlLeft', '+AltLeft', '"@"', '+KeyT']
    },
    {
      what: 'Option of a Mac makes a character, and no Alt',
      mac: true,
      steps: [
        ['down', 'AltLeft', 'Alt', { alt: true }],
        ['down', 'KeyL', '@', { alt: true }],
        ['up', 'KeyL', '@', { alt: true }],
        ['up', 'AltLeft', 'Alt']
      ],
      sent: ['"@"']
    },
    {
      what: 'Option of a Mac alone is Alt alone',
      mac: true,
      steps: [
        ['down', 'AltLeft', 'Alt', { alt: true }],
        ['up', 'AltLeft', 'Alt']
      ],
      sent: ['+AltLeft', '-AltLeft']
    },
    {
      what: 'Option of a Mac with a named key is Alt',
      mac: true,
      steps: [
        ['down', 'AltLeft', 'Alt', { alt: true }],
        ['down', 'Tab', 'Tab', { alt: true }],
        ['up', 'Tab', 'Tab', { alt: true }],
        ['up', 'AltLeft', 'Alt']
      ],
      sent: ['+AltLeft', '+Tab', '-Tab', '-AltLeft']
    },
    {
      what: 'with the command key of a Mac no release comes',
      mac: true,
      steps: [
        ['down', 'MetaLeft', 'Meta', { meta: true }],
        ['down', 'KeyC', 'c', { meta: true }],
        ['up', 'MetaLeft', 'Meta'],
        ['down', 'KeyC', 'c'],
        ['up', 'KeyC', 'c']
      ],
      sent: ['+MetaLeft', '+KeyC', '-KeyC', '-MetaLeft', '+KeyC', '-KeyC']
    },
    {
      what: 'a release that went elsewhere is made up for by the next event',
      steps: [
        ['down', 'ControlLeft', 'Control', { ctrl: true }],
        ['down', 'KeyA', 'a', { ctrl: true }],
        ['down', 'KeyB', 'b'],
        ['down', 'KeyB', 'b']
      ],
      sent: ['+ControlLeft', '+KeyA', '-ControlLeft', '+KeyB', '-KeyB', '+KeyB']
    },
    {
      what: 'a modifier that went down elsewhere counts',
      steps: [['down', 'KeyC', 'c', { ctrl: true }]],
      sent: ['+ControlLeft', '+KeyC']
    },
    {
      what: 'what is composed does nothing',
      steps: [
        ['down', 'Quote', 'Dead'],
        ['down', 'KeyX', 'Process'],
        ['down', 'KeyX', 'Unidentified']
      ],
      sent: []
    }
  ];
  it.each(table)('$what', ({ mac, base, steps, sent }) => {
    expect(play(new Keys(mac ?? false, base ? german : undefined), steps)).toEqual(sent);
  });

  it('says what is held, and a pointer knows of modifiers too', () => {
    const keys = new Keys(false);
    play(keys, [['down', 'ShiftRight', 'Shift', { shift: true }]]);
    expect(keys.held()).toEqual(['shift_right']);
    const flags = { ctrlKey: true, shiftKey: false, altKey: false, metaKey: false };
    expect(short(keys.pointer(flags))).toEqual(['-ShiftRight', '+ControlLeft']);
    expect(keys.held()).toEqual(['control_left']);
    keys.forget();
    expect(keys.held()).toEqual([]);
    expect(short(keys.pointer(flags))).toEqual(['+ControlLeft']);
  });
});

describe('texts', () => {
  it('fit into messages, whatever their length, and lose nothing', () => {
    const text = '打😀'.repeat(300);
    const parts = texts(text);
    expect(parts.map((p) => (p.type === 'text' ? [...p.text].length : 0))).toEqual([256, 256, 88]);
    expect(parts.map((p) => (p.type === 'text' ? p.text : '')).join('')).toBe(text);
    expect(texts('')).toEqual([]);
  });
});
