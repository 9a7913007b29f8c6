import { closeSync, constants, mkdirSync, openSync } from "node:fs";
import { ArchiveError, codeOf } from "./archive-error.ts";
import { bytesOf, shown } from "./member.ts";
import { pathIn, type TreeSys } from "./tree-sys.ts";

const { O_DIRECTORY, O_NOFOLLOW, O_RDONLY } = constants;

/** The directories from a root to that of the last member, open: members come in the order of their names. */
export class OpenDirectories {
  readonly #sys: TreeSys;
  readonly #root: number;
  readonly #open: { readonly name: string; readonly fd: number }[] = [];

  constructor(sys: TreeSys, root: number) {
    this.#sys = sys;
    this.#root = root;
  }

  /** Returns a directory below the root, open until the next call, and creates missing ones, for the owner alone. */
  open(parts: readonly string[], create: boolean): number {
    let depth = 0;
    while (depth < parts.length && this.#open[depth]?.name === parts[depth]) depth++;
    for (const { fd } of this.#open.splice(depth)) closeSync(fd);
    for (const part of parts.slice(depth)) {
      const above = this.#open.at(-1)?.fd ?? this.#root;
      this.#open.push({ name: part, fd: this.#openOne(above, bytesOf(part), create) });
    }
    return this.#open.at(-1)?.fd ?? this.#root;
  }

  close(): void {
    for (const { fd } of this.#open.splice(0)) closeSync(fd);
  }

  #openOne(above: number, name: Buffer, create: boolean): number {
    const open = () => this.#sys.openEntry(above, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    try {
      return open();
    } catch (error) {
      const code = codeOf(error);
      const shownName = shown(name.toString("latin1"));
      if (code === "ENOTDIR" || code === "ELOOP") {
        throw new ArchiveError(
          "already-exists",
          `${shownName} is in the way and no directory, and links aren't followed`,
        );
      }
      if (code === "EXDEV")
        throw new ArchiveError("failed-precondition", `${shownName} is a mount that isn't written to`);
      if (code !== "ENOENT" || !create) throw error;
    }
    mkdirSync(pathIn(above, name), 0o700);
    return open();
  }
}

/** Returns a descriptor of its own for an open directory. */
export const keepOpen = (dir: number): number => openSync(pathIn(dir), O_RDONLY | O_DIRECTORY);
