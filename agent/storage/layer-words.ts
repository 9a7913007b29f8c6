import { AgentError } from "../kernel/error.ts";
import { invalidArgument, quoted } from "../kernel/invalid-argument.ts";

const PREFIX = "X-kata.";
const FLAGS = ["overlay-upper", "overlay-lower"];
const SWITCHES = ["multi-layer", "gpt-partitioned", "dmverity-enabled", "dmverity.no-superblock", "mkfs"];
const VALUES = [
  ...["partition-number", "dmverity.roothash", "dmverity.hashoffset", "dmverity.blocksize", "dmverity.hashsize"],
  ...["dmverity.salt", "mkfs.fs", "mkfs.size", "mkfs.uuid"],
];
const MKDIR = "mkdir.path";
const MAX_DIRECTORIES = 64;

/** Options of a layer that begin with X-kata., without that prefix. */
export interface LayerWords {
  /** Options without a value, and options set to `true`. */
  readonly flags: ReadonlySet<string>;
  readonly values: ReadonlyMap<string, string>;
  /** Values of mkdir.path, the only option that may be repeated. */
  readonly directories: readonly string[];
}

/** Throws for an unknown option and for a repeated one. */
export function layerWords(options: readonly string[]): LayerWords {
  const flags = new Set<string>();
  const values = new Map<string, string>();
  const directories: string[] = [];
  for (const option of options.filter((word) => word.startsWith(PREFIX))) {
    const word = option.slice(PREFIX.length);
    const at = word.indexOf("=");
    const [name, value] = at < 0 ? [word, undefined] : [word.slice(0, at), word.slice(at + 1)];
    if (name === MKDIR && value !== undefined) directories.push(value);
    else if (FLAGS.includes(name) && value === undefined) flags.add(name);
    else if (SWITCHES.includes(name) && (value === "true" || value === "false")) setOnce(values, name, value);
    else if (VALUES.includes(name) && value !== undefined) setOnce(values, name, value);
    else throw unsupported(`option "${option.slice(0, 100)}" is not supported`);
  }
  for (const [name, value] of values) if (SWITCHES.includes(name) && value === "true") flags.add(name);
  if (directories.length > MAX_DIRECTORIES) throw invalidStorage(`more than ${MAX_DIRECTORIES} directories to create`);
  return { flags, values, directories };
}

function setOnce(values: Map<string, string>, name: string, value: string): void {
  if (values.has(name)) throw invalidStorage(`option "${PREFIX}${name}" is repeated`);
  values.set(name, value);
}

export function numberOf(name: string, text: string, low: number, high: number): number {
  const value = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (value >= low && value <= high) return value;
  throw invalidStorage(`${PREFIX}${name}=${quoted(text, 60)} is out of range, use ${low} to ${high}`);
}

export function hexOf(name: string, text: string): string {
  if (/^([0-9a-f]{2}){1,256}$/i.test(text)) return text.toLowerCase();
  throw invalidStorage(`${PREFIX}${name}=${quoted(text, 60)} is not hexadecimal`);
}

export function invalidStorage(why: string): AgentError {
  return invalidArgument(`storage: ${why}`);
}

export function unsupported(why: string): AgentError {
  return new AgentError("unimplemented", `storage: ${why}`);
}
