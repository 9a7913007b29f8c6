import { readFileSync } from "node:fs";
import { parse } from "yaml";
import { reason } from "../../lib/reason.ts";
import { LEVELS, type Level } from "./case.ts";
import { defaultSelection, NEWEST_CONTRACT, type Selection } from "./selection.ts";
import { UsageError } from "./usage-error.ts";

const PREFIX = "GUESTD_CONFORMANCE_";

/** Settings by key, from any source. */
export type Settings = Readonly<Record<string, unknown>>;

/** Parses a setting of one kind. Returns undefined if it isn't one. */
type Parser<T> = (value: unknown) => T | undefined;

const list: Parser<readonly string[]> = (value) => {
  const items = typeof value === "string" ? value.split(",").map((item) => item.trim()) : value;
  const ok = Array.isArray(items) && items.every((item) => typeof item === "string" && item !== "");
  return ok ? (items as string[]) : undefined;
};
const level: Parser<Level> = (value) => LEVELS.find((name) => name === value);
const levels: Parser<readonly Level[]> = (value) => {
  const found = list(value)?.map(level) ?? [];
  const known = found.filter((one) => one !== undefined);
  return found.length > 0 && known.length === found.length ? known : undefined;
};
const within =
  (min: number, max: number, whole: boolean): Parser<number> =>
  (value) => {
    const number = typeof value === "string" && value.trim() !== "" ? Number(value) : value;
    if (typeof number !== "number" || !(number >= min && number <= max)) return undefined;
    return whole && !Number.isInteger(number) ? undefined : number;
  };
const seconds = within(0.001, 86_400, false);
const version: Parser<string> = (value) => {
  const text = String(value);
  return /^\d+(\.\d+){1,2}$/.test(text) ? text : undefined;
};
const limits: Parser<Readonly<Record<string, number>>> = (value) => {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
  const entries = Object.entries(value).map(([glob, limit]) => [glob, seconds(limit)] as const);
  return entries.every(([, limit]) => limit !== undefined)
    ? (Object.fromEntries(entries) as Record<string, number>)
    : undefined;
};
const protocols: Parser<Selection["protocols"]> = (value) => {
  if (value === "both") return ["ttrpc", "grpc"];
  return value === "ttrpc" || value === "grpc" ? [value] : undefined;
};

/** Keys of the file, which are also the variables' names: `timeLimit` is GUESTD_CONFORMANCE_TIME_LIMIT. */
const KEYS = {
  levels: { name: "levels", parse: levels, expected: "some of must, should, may" },
  groups: { name: "groups", parse: list, expected: "globs of group names" },
  names: { name: "names", parse: list, expected: "globs of case names" },
  skip: { name: "skip", parse: list, expected: "globs of case names" },
  contract: { name: "contract", parse: version, expected: `a version such as ${NEWEST_CONTRACT}` },
  timeLimit: { name: "timeLimit", parse: seconds, expected: "seconds" },
  timeLimits: { name: "timeLimits", parse: limits, expected: "a mapping of globs to seconds" },
  concurrency: { name: "concurrency", parse: within(1, 64, true), expected: "a whole number from 1 to 64" },
  seed: { name: "seed", parse: within(0, 2 ** 32 - 1, true), expected: "a whole number from 0 to 4294967295" },
  protocol: { name: "protocols", parse: protocols, expected: "ttrpc, grpc or both" },
  require: { name: "require", parse: level, expected: "must, should or may" },
} as const satisfies Record<string, { name: keyof Selection; parse: Parser<unknown>; expected: string }>;

/**
 * Returns the selection of a YAML file, of GUESTD_CONFORMANCE_* variables and of flags; the later win. Throws UsageError.
 */
export function readSelection(
  file: string | undefined,
  env: Readonly<Record<string, string | undefined>>,
  flags: Settings,
): Selection {
  const fromFile = file === undefined ? {} : parseSettings(readYaml(file), (key) => `${file}: ${key}`);
  const variables = Object.entries(env).filter(([name, value]) => name.startsWith(PREFIX) && value !== undefined);
  const fromEnv = parseSettings(
    Object.fromEntries(variables.map(([name, value]) => [keyOf(name), value])),
    (key) => `${PREFIX}${key.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`,
  );
  return { ...defaultSelection(), ...fromFile, ...fromEnv, ...parseSettings(flags, (key) => `--${dashed(key)}`) };
}

function readYaml(file: string): Settings {
  try {
    const content: unknown = parse(readFileSync(file, "utf8")) ?? {};
    if (typeof content === "object" && content !== null && !Array.isArray(content)) return content as Settings;
  } catch (error) {
    throw new UsageError(`${file}: ${reason(error)}`);
  }
  throw new UsageError(`${file}: not a mapping of settings`);
}

function parseSettings(settings: Settings, place: (key: string) => string): Partial<Selection> {
  const parsed = Object.entries(settings).map(([key, value]) => {
    if (!Object.hasOwn(KEYS, key)) {
      throw new UsageError(`${place(key)}: unknown setting; known are ${Object.keys(KEYS).join(", ")}`);
    }
    const { name, parse: read, expected } = KEYS[key as keyof typeof KEYS];
    const result: unknown = read(value);
    if (result === undefined) throw new UsageError(`${place(key)}: expected ${expected}, not ${JSON.stringify(value)}`);
    return [name, result];
  });
  return Object.fromEntries(parsed) as Partial<Selection>;
}

/** Returns timeLimit for GUESTD_CONFORMANCE_TIME_LIMIT. */
function keyOf(variable: string): string {
  const words = variable.slice(PREFIX.length).toLowerCase();
  return words.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

function dashed(key: string): string {
  return key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}
