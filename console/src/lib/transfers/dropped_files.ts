// Dropped or chosen files and folders, as files with their target folders.

export interface Dropped {
  /** The folders above it, outermost first; empty for a file that was dropped alone. */
  folders: string[];
  /** Null for a folder to create. */
  file: File | null;
}

/** Everything in a drop. Folders come before their content. */
export async function dropped(transfer: DataTransfer): Promise<Dropped[]> {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.() ?? null);
  if (entries.every((e) => e === null)) return [...transfer.files].map((file) => ({ folders: [], file }));
  const all: Dropped[] = [];
  for (const entry of entries) if (entry) await walk(entry, [], all);
  return all;
}

async function walk(entry: FileSystemEntry, folders: string[], all: Dropped[]) {
  if (entry.isFile) {
    const file = await new Promise<File>((resolve, reject) => (entry as FileSystemFileEntry).file(resolve, reject));
    all.push({ folders, file });
    return;
  }
  const inside = [...folders, entry.name];
  all.push({ folders: inside, file: null });
  const reader = (entry as FileSystemDirectoryEntry).createReader();
  for (;;) {
    const some = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject));
    if (some.length === 0) return;
    for (const one of some) await walk(one, inside, all);
  }
}

/** A chosen folder: the browser gives its files with their paths, but no empty folders. */
export function chosen(files: FileList): Dropped[] {
  const all: Dropped[] = [];
  const made = new Set<string>();
  for (const file of files) {
    const folders = (file.webkitRelativePath || file.name).split('/').slice(0, -1);
    for (let depth = 1; depth <= folders.length; depth++) {
      const path = folders.slice(0, depth);
      if (made.has(path.join('/'))) continue;
      made.add(path.join('/'));
      all.push({ folders: path, file: null });
    }
    all.push({ folders, file });
  }
  return all;
}
