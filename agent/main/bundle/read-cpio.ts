const HEADER_BYTES = 110;
const TRAILER = "TRAILER!!!";
const [MODE_AT, SIZE_AT, NAME_SIZE_AT] = [14, 54, 94];
const S_IFMT = 0o170000;
const S_IFREG = 0o100000;
const MAX_FILES = 64;
const NAME = /^[a-z0-9][a-z0-9.-]{0,63}$/;

/**
 * Reads a cpio archive in "newc" format that holds only regular files with simple names. Throws one line for any other archive. The
 * contents are views of the archive.
 */
export function readCpio(archive: Buffer): ReadonlyMap<string, Buffer> {
  const files = new Map<string, Buffer>();
  for (let at = 0; ; ) {
    const header = archive.toString("latin1", at, at + HEADER_BYTES);
    if (!/^070701[0-9a-fA-F]{104}$/.test(header)) throw new Error(`no entry of a cpio archive at byte ${at}`);
    const number = (place: number) => Number.parseInt(header.slice(place, place + 8), 16);
    const nameEnd = at + HEADER_BYTES + number(NAME_SIZE_AT);
    const name = archive.toString("latin1", at + HEADER_BYTES, nameEnd - 1);
    if (name === TRAILER) return files;
    if (!NAME.test(name) || files.has(name) || (number(MODE_AT) & S_IFMT) !== S_IFREG) {
      throw new Error(`${JSON.stringify(name.slice(0, 24))} is no file with a simple name of its own`);
    }
    const start = padded(nameEnd);
    const end = start + number(SIZE_AT);
    if (end > archive.length || files.size === MAX_FILES) throw new Error(`it ends within, or after, ${name}`);
    files.set(name, archive.subarray(start, end));
    at = padded(end);
  }
}

const padded = (at: number): number => Math.ceil(at / 4) * 4;
