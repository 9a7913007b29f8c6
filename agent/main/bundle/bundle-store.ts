import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { realFiles } from "../../kernel/files.ts";

/** The bundle that the launcher runs, and the one it abandoned. The launcher reads and writes the same file: rootfs-builder/bundle/choose-bundle.cjs. */
interface Choice {
  readonly bundle?: string;
  /** Failed starts of the bundle. */
  readonly starts?: number;
  readonly left?: string;
  readonly reason?: string;
  /** The abandoned bundle has been logged. */
  readonly told?: true;
}

interface LeftBundle {
  readonly bundle: string;
  readonly reason: string;
}

/** Stores uploaded bundles of the agent, each in a directory named after its SHA-256, and the choice of the one to run. */
export class BundleStore {
  /** Path of a bundle being uploaded: the only one outside of the share that CopyFile writes, as a share may be read-only. */
  readonly upload: string;
  readonly #directory: string;

  constructor(stateDirectory: string) {
    this.#directory = join(stateDirectory, "agent");
    this.upload = join(stateDirectory, "upload/bundle");
  }

  has(bundle: string): boolean {
    return existsSync(join(this.#directory, bundle));
  }

  /** Adds a bundle atomically, and removes all but the running one. */
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

  /** Removes all bundles but the running one. */
  keepOnly(running: string): void {
    if (!existsSync(this.#directory)) return;
    for (const name of readdirSync(this.#directory)) {
      if (name !== running && name !== "choice.json") rmSync(join(this.#directory, name), { recursive: true });
    }
  }

  /** Chooses the bundle to run from the next start on; "" is the image's own. */
  choose(bundle: string): void {
    mkdirSync(this.#directory, { recursive: true, mode: 0o700 });
    this.#write(bundle === "" ? {} : { bundle, starts: 0 });
  }

  /** Returns the bundle that the launcher abandoned, with the reason. */
  left(): LeftBundle | undefined {
    const { left, reason = "" } = this.#read();
    return left === undefined ? undefined : { bundle: left, reason };
  }

  /** Returns the abandoned bundle the first time it is called, otherwise undefined. */
  reportLeft(): LeftBundle | undefined {
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
