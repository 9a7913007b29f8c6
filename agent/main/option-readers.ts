import {
  type CompactSettings,
  compactBounds,
  isWithin,
  type MemcgSettings,
  memcgBounds,
} from "../guest/mem-agent/settings.ts";
import type { Options } from "./options.ts";

/** pino's level names by the contract's. */
const LEVELS = {
  trace: "trace",
  debug: "debug",
  info: "info",
  warn: "warn",
  error: "error",
  critical: "fatal",
} as const;

export type LogLevel = (typeof LEVELS)[keyof typeof LEVELS];

export const MAX_PORT = 0xffff_fffe;

export type MutableOptions = { -readonly [Key in keyof Options]: Options[Key] };

/** Reads the text after "=", empty for a bare word. Returns what is wrong with it and which value is used instead. */
export type OptionReader = (options: MutableOptions, value: string) => string | undefined;

type KeysOf<Type> = { [Key in keyof Options]: Options[Key] extends Type ? Key : never }[keyof Options];

export const readLevel: OptionReader = (options, value) => {
  if (!Object.hasOwn(LEVELS, value)) return `not one of ${Object.keys(LEVELS).join(", ")}; the default is used`;
  options.logLevel = LEVELS[value as keyof typeof LEVELS];
  return undefined;
};

export const readAddress: OptionReader = (options, value) => {
  if (!/^(vsock:\/\/-?\d+:\d+|unix:\/\/[/@].+)$/.test(value)) {
    return "not vsock://CID:PORT, unix:///PATH or unix://@NAME; the default is used";
  }
  options.serverAddress = value;
  return undefined;
};

/** Reads one of two words; a bare option is the first. */
export function readFlag(
  key: KeysOf<boolean>,
  words: readonly [on: string, off: string] = ["true", "false"],
): OptionReader {
  return (options, value) => {
    const [on, off] = words;
    const isOn = value === on || (value === "" && on === "true");
    if (!isOn && value !== off) return `not ${on} or ${off}; the default is used`;
    options[key] = isOn;
    return undefined;
  };
}

/** Reads a whole number up to `most`; 0 means "not given" and keeps the default. */
export function readNumber(key: KeysOf<number>, most: number, scale = 1): OptionReader {
  return (options, value) => {
    const number = wholeNumber(value, most);
    if (typeof number === "string") return number;
    if (number > 0) options[key] = number * scale;
    return undefined;
  };
}

/** Reads a whole number up to `most`, among which 0 is a value of its own: off. */
export function readOptional(key: KeysOf<number>, most: number): OptionReader {
  return (options, value) => {
    const number = wholeNumber(value, most);
    if (typeof number === "string") return number;
    options[key] = number;
    return undefined;
  };
}

/** Reads seconds, among which 0 is a value of its own. */
export function readSeconds(key: KeysOf<number>, most: number): OptionReader {
  return (options, value) => {
    const number = wholeNumber(value, most);
    if (typeof number === "string") return number;
    options[key] = number * 1000;
    return undefined;
  };
}

/** Reads the memory agent's switch; like all its flags it may be 1 or 0, too. */
export const readMemAgent: OptionReader = (options, value) => {
  const enabled = flag(value);
  if (typeof enabled === "string") return enabled;
  options.memAgent = { ...options.memAgent, enabled };
  return undefined;
};

export const readMemcg = (key: keyof MemcgSettings): OptionReader => readSetting("memcg", key, memcgBounds);
export const readCompact = (key: keyof CompactSettings): OptionReader => readSetting("compact", key, compactBounds);

function readSetting(
  part: "memcg" | "compact",
  key: string,
  bounds: Readonly<Record<string, readonly [number, number]>>,
): OptionReader {
  const bound = bounds[key];
  return (options, text) => {
    const value = bound === undefined ? flag(text) : numberWithin(text, bound);
    if (typeof value === "string") return value;
    options.memAgent = { ...options.memAgent, [part]: { ...options.memAgent[part], [key]: value } };
    return undefined;
  };
}

function flag(value: string): boolean | string {
  if (value === "true" || value === "1") return true;
  return value === "false" || value === "0" ? false : "not true or false; the default is used";
}

function numberWithin(text: string, bound: readonly [number, number]): number | string {
  const number = /^\d{1,20}$/.test(text) ? Number(text) : Number.NaN;
  return isWithin(number, bound) ? number : `not a whole number from ${bound[0]} to ${bound[1]}; the default is used`;
}

/** Reads names of calls, with or without the "Request" that policies append. Malformed names are dropped, so they allow nothing. */
export function readCalls(key: "allowedCalls" | "deniedCalls"): OptionReader {
  return (options, value) => {
    const [bad = [], good = []] = [false, true].map((is) => value.split(",").filter((it) => CALL.test(it) === is));
    options[key] = good;
    return bad.length === 0 ? undefined : `"${bad[0]}" is not the name of a call; the others count`;
  };
}

const CALL = /^[A-Z]\w{1,60}$/;

export function readText(key: "channel" | "httpsProxy" | "noProxy" | "policyFile"): OptionReader {
  return (options, value) => {
    options[key] = value;
    return undefined;
  };
}

function wholeNumber(value: string, most: number): number | string {
  const number = /^\d{1,10}$/.test(value) ? Number(value) : Number.NaN;
  return number <= most ? number : `not a whole number from 0 to ${most}; the default is used`;
}
