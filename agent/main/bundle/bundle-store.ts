import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { realFiles } from "../../kernel/files.ts";

/** What the launcher runs, and what it has left. It reads and writes the same file: rootfs-builder/bundle/choose-bundle.cjs. */
interface Choice {
  readonly bundle?: string;
  /** Of the bundle, that were not good. */
  readonly starts?: number;
  readonly left?: string;
  readonly reason?: string;
  /** The log has it. */
  readonly told?: true;
}

interface LeftBundle {
  readonly bundle: string;
  readonly reason: string;
}

/** Bundles of the agent that came by upgrades, each a directory with its SHA-256 for a name, and which of them is to run. */
export class BundleStore {
  /** The one path outside of the share where CopyFile puts a file, for a share may be read-only: a bundle on its way. */
  readonly upload: string;
  readonly #directory: string;

  constructor(stateDirectory: string) {
    this.#directory = join(stateDirectory, "agent");
    this.upload = join(stateDirectory, "upload/bundle");
  }

  has(bundle: string): boolean {
    return existsSync(join(this.#directory, bundle));
  }

  /** Appears whole or not at all. */
  add(bundle: string, files: ReadonlyMap<string, Buffer>, running: string): void {
    const temporary = join(this.#directory, "new");
    mkdirSync(this.#directory, { recursive: true, mode: 0o700 });
    this.keepOnly(running);
    try {
      mkdirSync(temporary);
      for (const [name, content] of files) writeFileSync(join(temporary, name), content, { mode: 0o600 });
      renameSync(temporary, join(this.#directory, bundle));
    } catch (error) {
      rmSync(temporary, { recursive: true, force: true });
      throw error;
    }
  }

  /** Removes the others: they are in memory. */
  keepOnly(running: string): void {
    if (!existsSync(this.#directory)) return;
    for (const name of readdirSync(this.#directory)) {
      if (name !== running && name !== "choice.json") rmSync(join(this.#directory, name), { recursive: true });
    }
  }

  /** Takes effect with the next start. Empty: the image's own. */
  choose(bundle: string): void {
    mkdirSync(this.#directory, { recursive: true, mode: 0o700 });
    this.#write(bundle === "" ? {} : { bundle, starts: 0 });
  }

  /** The bundle that the launcher left, and why. */
  left(): LeftBundle | undefined {
    const { left, reason = "" } = this.#read();
    return left === undefined ? undefined : { bundle: left, reason };
  }

  /** The same, once only. */
  tellLeft(): LeftBundle | undefined {
    const choice = this.#read();
    if (choice.left === undefined || choice.told === true) return undefined;
    this.#write({ ...choice, told: true });
    return this.left();
  }

  #read(): Choice {
    try {
      return JSON.parse(readFileSync(join(this.#directory, "choice.json"), "utf8")) as Choice;
    } catch {
      return {};
    }
  }

  #write(choice: Choice): void {
    realFiles.replace(join(this.#directory, "choice.json"), JSON.stringify(choice));
  }
}
