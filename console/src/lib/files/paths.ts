// Paths on the customer's computer, whatever its separator is.

/** A name inside a folder. */
export const inside = (folder: string, separator: string, name: string) =>
  `${folder.replace(/[/\\]$/, '')}${separator}${name}`;
