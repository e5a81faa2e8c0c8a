/**
 * Characters of a name that are invalid (U+EF80 to U+EFFF for a byte, U+FD800 to U+FDFFF for half of a surrogate pair),
 * invisible, or change the direction of the text around them. `protocol/src/file_name.rs` has the same in Rust.
 */
const MISLEADING =
  /[\p{Cc}\u{EF80}-\u{EFFF}\u{FD800}-\u{FDFFF}\u200B\u200E\u200F\u2028-\u202E\u2060-\u206F\u061C\uFEFF]/gu;

/** A name, a path or another line as people may read it: misleading characters become U+FFFD. */
export const shownName = (name: string) => name.replace(MISLEADING, '\uFFFD');

/**
 * The same for a text of several lines. Line breaks stay, and so do the direction marks of right-to-left scripts, which
 * do not reverse the text around them.
 */
export const shownText = (text: string) =>
  text.replace(MISLEADING, (c) => (/[\n\t\u200E\u200F\u061C]/.test(c) ? c : '\uFFFD'));

/** Whether a name is shown differently than it is. */
export const isMisleading = (name: string) => shownName(name) !== name;

/** The last name of a path, as people may read it. */
export const leaf = (path: string) => shownName(path.split(/[/\\]/).at(-1) || path);
