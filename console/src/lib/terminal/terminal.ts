// A terminal on the page: xterm.js, in the colours of the console.

import { FitAddon } from '@xterm/addon-fit';
import { Terminal } from '@xterm/xterm';
import '@xterm/xterm/css/xterm.css';

export interface Shown {
  terminal: Terminal;
  /** Fits it to its container. */
  fit(): void;
  dispose(): void;
}

export function show(place: HTMLElement, options: { readonly?: boolean; columns?: number; rows?: number } = {}): Shown {
  const terminal = new Terminal({
    fontFamily: 'ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace',
    fontSize: 14,
    scrollback: 10_000,
    convertEol: false,
    cursorBlink: !options.readonly,
    disableStdin: !!options.readonly,
    theme: { background: '#0b0d12', foreground: '#e8ebf2', cursor: '#8fb0ff', selectionBackground: '#36508f' },
    ...(options.columns ? { cols: options.columns, rows: options.rows ?? 24 } : {})
  });
  const fitting = new FitAddon();
  terminal.loadAddon(fitting);
  terminal.open(place);
  const fit = () => {
    if (place.clientWidth > 40 && place.clientHeight > 40) fitting.fit();
  };
  return { terminal, fit, dispose: () => terminal.dispose() };
}
