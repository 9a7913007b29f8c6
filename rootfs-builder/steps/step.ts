import { stat } from "node:fs/promises";
import { hasCode } from "../build-error.ts";
import { readMap, writeMap } from "../digest.ts";

export interface Step {
  /** One or two words, for the display. */
  readonly name: string;
  /** Absolute paths of the files it creates, each by rename. */
  readonly outputs: readonly string[];
  /** Returns further outputs that are known only after the step. */
  readonly moreOutputs?: () => Promise<readonly string[]>;
  /** Returns the digest of everything that the outputs depend on. */
  readonly key: () => Promise<string>;
  readonly build: () => Promise<void>;
}

/** Records what each step was built from, to skip it if inputs and outputs haven't changed. */
export class Stamps {
  readonly #file: string;
  readonly #stamps: Map<string, string>;

  private constructor(file: string, stamps: Map<string, string>) {
    this.#file = file;
    this.#stamps = stamps;
  }

  static async open(file: string): Promise<Stamps> {
    return new Stamps(file, await readMap(file));
  }

  /** Builds the step unless it is up to date; returns true if it did. */
  async bring(step: Step): Promise<boolean> {
    const { name } = step;
    const wanted = await step.key();
    const before = await stampOf(wanted, step);
    if (before !== undefined && this.#stamps.get(name) === before) return false;
    await step.build();
    const after = await stampOf(wanted, step);
    if (after === undefined) throw new Error(`step ${name}: did not create ${step.outputs.join(", ")}`);
    this.#stamps.set(name, after);
    await writeMap(this.#file, this.#stamps);
    return true;
  }
}

/** Returns the key and the state of the outputs on disk; undefined if one is missing. */
async function stampOf(key: string, { outputs, moreOutputs }: Step): Promise<string | undefined> {
  const parts = [key];
  for (const output of [...outputs, ...((await moreOutputs?.()) ?? [])]) {
    try {
      const { size, ino, mtimeNs } = await stat(output, { bigint: true });
      parts.push(`${size} ${ino} ${mtimeNs}`);
    } catch (error) {
      if (hasCode(error, "ENOENT")) return undefined;
      throw error;
    }
  }
  return parts.join("\n");
}
