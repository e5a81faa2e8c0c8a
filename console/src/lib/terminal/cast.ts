// The recording of a command shell: asciicast, version 2.

export interface Cast {
  columns: number;
  rows: number;
  /** The time of the last event, in seconds. */
  length: number;
  /** Seconds, `o` for output or `r` for a resize, and its data. */
  events: [number, string, string][];
}

/** Reads a recording; an incomplete last line is left out. */
export function read(text: string): Cast {
  const [head, ...lines] = text.split('\n');
  const { width = 80, height = 24 } = JSON.parse(head ?? '{}') as { width?: number; height?: number };
  const events = lines.flatMap((line): [number, string, string][] => {
    try {
      const [at, kind, what] = JSON.parse(line) as [number, string, string];
      return typeof at === 'number' && typeof what === 'string' ? [[at, kind, what]] : [];
    } catch {
      return [];
    }
  });
  return { columns: width, rows: height, length: events.at(-1)?.[0] ?? 0, events };
}
