import { constants } from "node:os";
import { posix } from "node:path";
import { InvalidArgumentError } from "commander";
import { isIdentifier } from "../../../lib/identifier.ts";
import { parseSize } from "../../../lib/parse-size.ts";
import type { AttachRequest } from "../../client/streams/attachment.ts";
import type { Volume } from "../../engine/guest/shared-folder.ts";
import { MIN_MEMORY } from "../../engine/image/limit-resources.ts";
import type { NamedVolume } from "../../engine/volume/use-volumes.ts";
import { MachineError } from "../../vm/machine-error.ts";
import { sharedFolder } from "../../vm/shared-source.ts";

/**
 * Parses a size such as "256m" to bytes; units b, k, m, g and t are powers of 1024. Like all parsers here, throws
 * InvalidArgumentError.
 */
export function bytes(text: string): number {
  const value = parseSize(text);
  if (value === undefined || value === 0) throw new InvalidArgumentError("Expected a size such as 256m or 1.5g.");
  return value;
}

/** Parses a container's memory limit; a number without a unit is bytes, as in Docker. */
export function memoryLimit(text: string): number {
  const value = bytes(text);
  if (value >= MIN_MEMORY) return value;
  throw new InvalidArgumentError(`A container needs at least ${MIN_MEMORY >> 20}m; a number without a unit is bytes.`);
}

const [MIN_STORAGE, MAX_STORAGE] = [2 ** 24, 2 ** 40];

/** Parses "size=20g", as in Docker, to bytes: a whole number of pages. */
export function storageSize(text: string): number {
  const value = Math.floor((parseSize(/^size=(.*)$/.exec(text)?.[1] ?? "") ?? 0) / 4096) * 4096;
  if (value >= MIN_STORAGE && value <= MAX_STORAGE) return value;
  throw new InvalidArgumentError("Expected size= and a size from 16m to 1t, such as size=20g.");
}

/** Parses "512m" or, as QEMU does, "512" to MiB. */
export function mebibytes(text: string): number {
  const value = /^\d+$/.test(text) ? Number(text) : Math.round(bytes(text) / 2 ** 20);
  if (value < 128) throw new InvalidArgumentError("A guest needs at least 128 MiB.");
  return value;
}

/** Parses "1.5" to a number of processors. */
export function processors(text: string): number {
  const value = /^\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN;
  if (!(value >= 0.01 && value <= 512)) throw new InvalidArgumentError("Expected a number from 0.01 to 512.");
  return value;
}

/** Parses a whole number of at least one. */
export function count(text: string): number {
  const value = /^\d{1,9}$/.test(text) ? Number(text) : 0;
  if (value < 1) throw new InvalidArgumentError("Expected a whole number above 0.");
  return value;
}

/** Parses a whole number of seconds; 0 is at once. */
export function seconds(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError("Expected a whole number of seconds.");
  return Number(text);
}

/** Where a client continues. */
export type StartPosition = NonNullable<AttachRequest["from"]>;

/** Parses "123", a position in stdout, or "123,45", one in stdout and one in stderr. */
export function position(text: string): StartPosition {
  const [, stdout = "", stderr] = /^(\d{1,15})(?:,(\d{1,15}))?$/.exec(text) ?? [];
  if (stdout === "") throw new InvalidArgumentError("Expected a number of bytes, such as 4096.");
  return { stdout: Number(stdout), stderr: stderr === undefined ? undefined : Number(stderr) };
}

/** Parses "NAME=value"; a bare "NAME" takes its value from our environment and is skipped if not set. */
export function variables(text: string, before: readonly string[] = []): readonly string[] {
  if (/^[^=]+=/.test(text)) return [...before, text];
  if (text === "" || text.startsWith("=")) throw new InvalidArgumentError("Expected NAME=value.");
  const value = process.env[text];
  return value === undefined ? before : [...before, `${text}=${value}`];
}

/** Parses "HOST:GUEST" or "NAME:GUEST", with ":ro" if read-only, as in Docker. A folder of the host must exist. */
export function volumes(
  text: string,
  before: readonly (Volume | NamedVolume)[] = [],
): readonly (Volume | NamedVolume)[] {
  const [, from = "", path = "", access] = /^([^:]+):(\/[^:]*)(?::(ro|rw))?$/.exec(text) ?? [];
  if (path === "") throw new InvalidArgumentError("Expected HOST:/PATH or NAME:/PATH, with :ro if it is read-only.");
  const place = { guest: posix.normalize(path), mode: access === "ro" ? "ro" : "rw" } as const;
  const isFolder = from.includes("/") || from === "." || from === "..";
  return [...before, isFolder ? { host: hostFolder(from), ...place } : { name: volumeName(from), ...place }];
}

/** Accepts the names of volumes. */
export function volumeName(text: string): string {
  if (isIdentifier(text)) return text;
  const rule = "2 to 100 letters, digits, _ . - with a letter or digit first";
  throw new InvalidArgumentError(`Without a slash it is a volume's name: ${rule}; a folder is ./NAME.`);
}

/** Returns the path of a folder of the host to share. */
export function hostFolder(path: string): string {
  try {
    return sharedFolder(path);
  } catch (error) {
    if (error instanceof MachineError) throw new InvalidArgumentError(error.message);
    throw error;
  }
}

/** Splits text into words of a kernel command line. */
export function kernelWords(text: string, before: readonly string[] = []): readonly string[] {
  if (!/^[\x20-\x7e]+$/.test(text)) throw new InvalidArgumentError("Expected one line of printable ASCII text.");
  return [...before, ...text.split(" ").filter((word) => word !== "")];
}

/** Turns "log=debug" or "agent.log=debug" into a word of the kernel command line. */
export function agentOption(text: string, before: readonly string[] = []): readonly string[] {
  const [, name = ""] = /^(?:agent\.)?([a-z][a-z0-9_.]*(?:=[\x21-\x7e]*)?)$/.exec(text) ?? [];
  if (name === "") throw new InvalidArgumentError("Expected NAME=VALUE, such as log=debug.");
  return [...before, `agent.${name}`];
}

/** SIGRTMIN as programs count it: the C libraries use the kernel's first ones. */
const SIGRTMIN = 34;

/** Parses "TERM", "SIGTERM" or "15" to 15, and "RTMIN+3" to 37. */
export function signalNumber(text: string): number {
  if (/^\d+$/.test(text)) {
    const value = Number(text);
    if (value >= 1 && value <= 64) return value;
  }
  const name = text.toUpperCase().replace(/^(SIG)?/, "SIG");
  const realTime = /^SIGRTMIN(?:\+(\d{1,2}))?$/.exec(name);
  if (realTime !== null && SIGRTMIN + Number(realTime[1] ?? 0) <= 64) return SIGRTMIN + Number(realTime[1] ?? 0);
  const known = (constants.signals as Readonly<Record<string, number>>)[name];
  if (known === undefined) throw new InvalidArgumentError("Expected a signal's name or a number from 1 to 64.");
  return known;
}

/** Accepts the ids that agents accept; they are also safe as file names. */
export function identifier(text: string): string {
  if (!isIdentifier(text)) {
    throw new InvalidArgumentError("Expected 2 to 100 letters, digits, _ . - with a letter or digit first.");
  }
  return text;
}

/** Parses a regular expression. */
export function pattern(text: string): RegExp {
  try {
    return new RegExp(text);
  } catch {
    throw new InvalidArgumentError("Expected a regular expression.");
  }
}
