/**
 * What in a name is no character (U+EF80 to U+EFFF for a byte, U+FD800 to U+FDFFF for half of a surrogate pair), has no
 * width, or turns the direction of the text around it. `protocol/src/file_name.rs` has the same in Rust.
 */
const MISLEADING =
  /[\p{Cc}\u{EF80}-\u{EFFF}\u{FD800}-\u{FDFFF}\u200B\u200E\u200F\u2028-\u202E\u2060-\u206F\u061C\uFEFF]/gu;

/** A name, a path or any other line as people may read it: what misleads is seen as U+FFFD. */
export const shownName = (name: string) => name.replace(MISLEADING, '\uFFFD');

/**
 * The same for a text of several lines: those stay, and so do the marks that people who write from right to left use, which
 * turn nothing around them.
 */
export const shownText = (text: string) =>
  text.replace(MISLEADING, (c) => (/[\n\t\u200E\u200F\u061C]/.test(c) ? c : '\uFFFD'));

/** Whether a name is seen otherwise than it is. */
export const isMisleading = (name: string) => shownName(name) !== name;

/** The last name of a path, as people may read it. */
export const leaf = (path: string) => shownName(path.split(/[/\\]/).at(-1) || path);
