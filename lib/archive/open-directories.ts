import { constants } from "node:fs";
import { ArchiveError, codeOf } from "./archive-error.ts";
import { bytesOf, shown } from "./member.ts";
import type { TreeFiles } from "./tree-files.ts";

const { O_DIRECTORY, O_NOFOLLOW, O_RDONLY } = constants;

/** The directories from a root to that of the last member, open: members come in the order of their names. */
export class OpenDirectories {
  readonly #files: TreeFiles;
  readonly #root: number;
  readonly #open: { readonly name: string; readonly fd: number }[] = [];

  constructor(files: TreeFiles, root: number) {
    this.#files = files;
    this.#root = root;
  }

  /** Returns a directory below the root, open until the next call, and creates missing ones, for the owner alone. */
  async open(parts: readonly string[], create: boolean): Promise<number> {
    let depth = 0;
    while (depth < parts.length && this.#open[depth]?.name === parts[depth]) depth++;
    await this.#close(depth);
    for (const part of parts.slice(depth)) {
      const above = this.#open.at(-1)?.fd ?? this.#root;
      this.#open.push({ name: part, fd: await this.#openOne(above, bytesOf(part), create) });
    }
    return this.#open.at(-1)?.fd ?? this.#root;
  }

  close(): Promise<void> {
    return this.#close(0);
  }

  async #close(depth: number): Promise<void> {
    for (const { fd } of this.#open.splice(depth)) await this.#files.close(fd);
  }

  async #openOne(above: number, name: Buffer, create: boolean): Promise<number> {
    const open = () => this.#files.openEntry(above, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    try {
      return await open();
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
    await this.#files.mkdir(above, name);
    return await open();
  }
}
