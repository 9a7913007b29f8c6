import { realpathSync, statSync } from "node:fs";
import { constants } from "node:os";
import { posix } from "node:path";
import { InvalidArgumentError } from "commander";
import type { Volume } from "../sandbox/shared-folder.ts";

const UNITS: Readonly<Record<string, number>> = { "": 1, b: 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30, t: 2 ** 40 };

/** "256m" → bytes; units b, k, m, g, t are powers of 1024. Throws InvalidArgumentError, as all here do. */
export function bytes(text: string): number {
  const [, digits = "", unit = ""] = /^(\d+(?:\.\d+)?)([bkmgt]?)(?:i?b)?$/i.exec(text) ?? [];
  const value = Math.round(Number(digits) * (UNITS[unit.toLowerCase()] ?? Number.NaN));
  if (digits === "" || !Number.isSafeInteger(value) || value === 0) {
    throw new InvalidArgumentError("It is not a size such as 256m or 1.5g.");
  }
  return value;
}

/** "512m" or, as QEMU takes it, "512" → MiB. */
export function mebibytes(text: string): number {
  const value = /^\d+$/.test(text) ? Number(text) : Math.round(bytes(text) / 2 ** 20);
  if (value < 128) throw new InvalidArgumentError("A guest needs 128 MiB at least.");
  return value;
}

/** "1.5" → processors. */
export function processors(text: string): number {
  const value = /^\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN;
  if (!(value >= 0.01 && value <= 512)) throw new InvalidArgumentError("It is not a number from 0.01 to 512.");
  return value;
}

/** A whole number of one at least. */
export function count(text: string): number {
  const value = /^\d{1,9}$/.test(text) ? Number(text) : 0;
  if (value < 1) throw new InvalidArgumentError("It is not a whole number above 0.");
  return value;
}

/** "NAME=value"; "NAME" alone takes the value from our environment, and nothing where we have none. */
export function variables(text: string, before: readonly string[] = []): readonly string[] {
  if (/^[^=]+=/.test(text)) return [...before, text];
  if (text === "" || text.startsWith("=")) throw new InvalidArgumentError("It is not NAME=value.");
  const value = process.env[text];
  return value === undefined ? before : [...before, `${text}=${value}`];
}

/** "HOST:GUEST" or "HOST:GUEST:ro", as docker has it, for folders that exist. */
export function volumes(text: string, before: readonly Volume[] = []): readonly Volume[] {
  const [, host = "", guest = "", mode = "rw"] = /^([^:]+):(\/[^:]*)(?::(ro|rw))?$/.exec(text) ?? [];
  if (guest === "") throw new InvalidArgumentError("It is not HOST:/PATH or HOST:/PATH:ro.");
  const folder = realFolder(host);
  if (folder === undefined) throw new InvalidArgumentError(`${host} is no folder.`);
  return [...before, { host: folder, guest: posix.normalize(guest), mode: mode === "ro" ? "ro" : "rw" }];
}

function realFolder(path: string): string | undefined {
  try {
    const real = realpathSync(path);
    return statSync(real).isDirectory() ? real : undefined;
  } catch {
    return undefined;
  }
}

/** Words of a kernel command line. */
export function kernelWords(text: string, before: readonly string[] = []): readonly string[] {
  if (!/^[\x20-\x7e]+$/.test(text)) throw new InvalidArgumentError("It is not text of one line.");
  return [...before, ...text.split(" ").filter((word) => word !== "")];
}

/** "log=debug" or "agent.log=debug" → the agent's option as a word of the kernel command line. */
export function agentOption(text: string, before: readonly string[] = []): readonly string[] {
  const [, name = ""] = /^(?:agent\.)?([a-z][a-z0-9_.]*(?:=[\x21-\x7e]*)?)$/.exec(text) ?? [];
  if (name === "") throw new InvalidArgumentError("It is not NAME=VALUE, as log=debug.");
  return [...before, `agent.${name}`];
}

/** "TERM", "SIGTERM", "15" → 15. */
export function signalNumber(text: string): number {
  if (/^\d+$/.test(text)) {
    const value = Number(text);
    if (value >= 1 && value <= 64) return value;
  }
  const name = text.toUpperCase().replace(/^(SIG)?/, "SIG");
  const known = (constants.signals as Readonly<Record<string, number>>)[name];
  if (known === undefined) throw new InvalidArgumentError("It is neither a signal's name nor a number from 1 to 64.");
  return known;
}

/** The ids that agents take; also a file's name. */
export function identifier(text: string): string {
  if (!/^[A-Za-z0-9][A-Za-z0-9_.-]{1,99}$/.test(text)) {
    throw new InvalidArgumentError("It is not 2 to 100 letters, digits, _ . - with a letter or digit first.");
  }
  return text;
}

/** A regular expression. */
export function pattern(text: string): RegExp {
  try {
    return new RegExp(text);
  } catch {
    throw new InvalidArgumentError("It is not a regular expression.");
  }
}
