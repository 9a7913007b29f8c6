import { readdirSync, readFileSync, statSync } from "node:fs";
import { type CdiFile, decodeCdiFile } from "./cdi-file.ts";

/** Bytes; those of a machine with many devices have a tenth of it. */
const MAX_BYTES = 1 << 20;
const MAX_FILES = 256;
/** Of YAML: more references to what was written before are a way to make much out of little. */
const MAX_ALIASES = 100;

export interface FoundFile extends CdiFile {
  readonly path: string;
  /** Those of a later directory count instead of the same devices of an earlier one. */
  readonly rank: number;
}

export interface FoundFiles {
  readonly files: readonly FoundFile[];
  /** A line for each file that can't be used. */
  readonly problems: readonly string[];
}

/** The files of CDI in some directories of the guest; those that are not there have none. */
export async function readCdiFiles(directories: readonly string[]): Promise<FoundFiles> {
  const files: FoundFile[] = [];
  const problems: string[] = [];
  for (const [rank, directory] of directories.entries()) {
    for (const name of namesIn(directory)) {
      const path = `${directory}/${name}`;
      try {
        files.push({ ...decodeCdiFile(await parse(path, read(path))), path, rank });
      } catch (error) {
        const [line] = (error as Error).message.split("\n");
        problems.push(`${path}: ${line}`);
      }
    }
  }
  return { files, problems };
}

function namesIn(directory: string): string[] {
  try {
    const names = readdirSync(directory).filter((name) => /^[^.].*\.(json|yaml)$/.test(name));
    return names.sort().slice(0, MAX_FILES);
  } catch {
    return [];
  }
}

function read(path: string): string {
  const stat = statSync(path);
  if (!stat.isFile()) throw new Error("it is no regular file");
  if (stat.size > MAX_BYTES) throw new Error(`it has ${stat.size} bytes, more than ${MAX_BYTES}`);
  return readFileSync(path, "utf8");
}

async function parse(path: string, text: string): Promise<unknown> {
  if (path.endsWith(".json")) return JSON.parse(text);
  // Loaded when there is such a file. Numbers like 0666 are octal in YAML 1.1, which those who write these files use.
  const yaml = await import("yaml");
  return yaml.parse(text, { version: "1.1", maxAliasCount: MAX_ALIASES, logLevel: "error" });
}
