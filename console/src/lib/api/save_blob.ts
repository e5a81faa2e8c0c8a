/** Puts bytes that the page holds among the browser's downloads. */
export function saveBlob(bytes: Blob, name: string) {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(bytes);
  link.download = name;
  link.click();
  // The browser reads it after the click; when, it does not say.
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
