// Paths on the customer's computer, with any separator.

/** A name inside a folder. */
export const inside = (folder: string, separator: string, name: string) =>
  `${folder.replace(/[/\\]$/, '')}${separator}${name}`;
