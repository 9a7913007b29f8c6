import { closeSync, constants, openSync, readdirSync, readSync, type Stats, statSync } from "node:fs";
import { setImmediate } from "node:timers/promises";
import { type CdiFile, decodeCdiFile } from "./cdi-file.ts";

/**
 * Bytes. The limit for YAML is lower, because its parser needs hundreds of bytes for each byte of text. A machine with
 * eight cards has 60,000 bytes.
 */
const MAX_BYTES = { json: 1 << 20, yaml: 128 << 10 };
const MAX_ALL = 4 << 20;
const MAX_FILES = 256;
/** Limits for YAML: lexemes, nesting, and aliases, which can expand to much. */
const MAX_LEXEMES = 64_000;
const MAX_DEPTH = 64;
const MAX_ALIASES = 100;

export interface FoundFile extends CdiFile {
  readonly path: string;
  /** Directory index. Later directories take precedence for the same device. */
  readonly rank: number;
}

export interface FoundFiles {
  readonly files: readonly FoundFile[];
  /** One line for each file that can't be used. */
  readonly problems: readonly string[];
}

/** File contents by path, or the reason that a file can't be used. Valid while its stat matches `stamp`. */
export type KnownFiles = Map<string, { readonly stamp: string; readonly found: CdiFile | Error }>;

/** Reads the CDI files in the given directories; a missing directory has none. Takes unchanged files from `known`. */
export async function readCdiFiles(directories: readonly string[], known: KnownFiles): Promise<FoundFiles> {
  const files: FoundFile[] = [];
  const problems: string[] = [];
  let size = 0;
  for (const [rank, directory] of directories.entries()) {
    for (const name of namesIn(directory)) {
      const path = `${directory}/${name}`;
      try {
        const stat = statSync(path);
        size += stat.size;
        if (size > MAX_ALL) throw new Error(`this and the files before it have more than ${MAX_ALL} bytes`);
        files.push({ ...(await lookAt(path, stat, known)), path, rank });
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

async function lookAt(path: string, stat: Stats, known: KnownFiles): Promise<CdiFile> {
  const stamp = [stat.dev, stat.ino, stat.size, stat.mtimeMs, stat.ctimeMs].join();
  const before = known.get(path);
  let found = before?.stamp === stamp ? before.found : undefined;
  if (found === undefined) {
    const text = read(path, stat);
    found = await parseCdi(path, text)
      .then(decodeCdiFile)
      .catch((error: Error) => error);
    known.set(path, { stamp, found });
    // Parsing many files takes long, so yield to the event loop after each.
    await setImmediate();
  }
  if (found instanceof Error) throw found;
  return found;
}

function read(path: string, stat: Stats): string {
  if (!stat.isFile()) throw new Error("it is not a regular file");
  const most = path.endsWith(".json") ? MAX_BYTES.json : MAX_BYTES.yaml;
  if (stat.size > most) throw new Error(`it has ${stat.size} bytes, more than ${most}`);
  return readUpTo(path, most);
}

/** Reads at most `most` bytes, also of a file that grows or that reports no size. */
function readUpTo(path: string, most: number): string {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const bytes = Buffer.allocUnsafe(most + 1);
    let length = 0;
    for (let count = -1; count !== 0; length += count) {
      count = readSync(fd, bytes, length, bytes.length - length, null);
    }
    if (length > most) throw new Error(`it has more than ${most} bytes`);
    return bytes.toString("utf8", 0, length);
  } finally {
    closeSync(fd);
  }
}

export async function parseCdi(path: string, text: string): Promise<unknown> {
  if (path.endsWith(".json")) return JSON.parse(text);
  // Loaded with the first YAML file. YAML 1.1 reads numbers like 0666 as octal, as authors of these files expect.
  const yaml = await import("yaml");
  checkYaml(new yaml.Lexer().lex(text));
  return yaml.parse(text, { version: "1.1", maxAliasCount: MAX_ALIASES, logLevel: "error" });
}

/** Throws for YAML that would exhaust the agent's memory. */
function checkYaml(lexemes: Iterable<string>): void {
  let [count, depth] = [0, 0];
  for (const lexeme of lexemes) {
    if (++count > MAX_LEXEMES) throw new Error(`it has more than ${MAX_LEXEMES} YAML tokens`);
    if (lexeme === "[" || lexeme === "{") depth += 1;
    if (lexeme === "]" || lexeme === "}") depth -= 1;
    if (depth > MAX_DEPTH) throw new Error(`its brackets are nested deeper than ${MAX_DEPTH}`);
  }
}
