import { closeSync, openSync, readSync } from "node:fs";

/** Most files of all readers that stay open; the others are opened for each reading. */
const MAX_OPEN = 1024;
/** More than the files have, unless there are a hundred network interfaces; lines that follow are left out. */
const BUFFER_BYTES = 16_384;

const buffer = Buffer.allocUnsafe(BUFFER_BYTES);
let openFiles = 0;

/**
 * A small file of /proc, /sys or a cgroup that is read again and again through one descriptor, which costs a third of opening
 * it each time. A file of a process that has ended is empty, whichever process has its pid by then.
 */
export class KeptFile {
  readonly #path: string;
  #fd: number | undefined;
  #isGone = false;

  constructor(path: string) {
    this.#path = path;
  }

  /** Returns its text; undefined once it is missing or unreadable, from then on, and now if no descriptor is free. */
  read(): string | undefined {
    if (this.#isGone) return undefined;
    const isKept = this.#fd !== undefined || openFiles < MAX_OPEN;
    let fd = this.#fd;
    try {
      fd ??= openSync(this.#path, "r");
      if (isKept) this.#keep(fd);
      const length = readSync(fd, buffer, 0, BUFFER_BYTES, 0);
      // The last line of a longer file would be a part of one.
      return buffer.toString("latin1", 0, length < BUFFER_BYTES ? length : buffer.lastIndexOf("\n") + 1);
    } catch (error) {
      this.close();
      this.#isGone = (error as NodeJS.ErrnoException).code !== "EMFILE";
      return undefined;
    } finally {
      if (fd !== undefined && !isKept) closeSync(fd);
    }
  }

  /** Idempotent. */
  close(): void {
    if (this.#fd === undefined) return;
    closeSync(this.#fd);
    this.#fd = undefined;
    openFiles--;
  }

  #keep(fd: number): void {
    if (this.#fd === undefined) openFiles++;
    this.#fd = fd;
  }
}
