import { CODES, type CodeName } from "../../../proto/codes.ts";
import { services } from "../../../proto/gen/services.js";
import { ConversationError } from "../conversation-error.ts";
import type { Action, Rule } from "./rule.ts";

const CALLS: ReadonlySet<string> = new Set(Object.values(services).flatMap((service) => Object.keys(service)));
const CONDITIONS = ["call", "direction", "conn", "nth", "chance"] as const;
const ACTIONS = ["delay", "drop", "duplicate", "cut", "fail", "kill"] as const;
const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000 };
/** Longest delay, an hour. */
const MAX_DELAY_MS = 3_600_000;
const MAX_TEXT = 4000;

/**
 * Parses a rule such as `call=ReadStdout,nth=3,delay=200ms` or `call=CreateContainer,fail=UNAVAILABLE:"no, not now"`: conditions
 * and one action, separated by commas. Throws ConversationError that names the rule, the word and the remedy.
 */
export function parseRule(text: string): Rule {
  const words = new Map<string, string | undefined>();
  for (const term of termsOf(text)) {
    const [, word = "", value] = /^([^=:]*)(?:[=:](.*))?$/s.exec(term.trim()) ?? [];
    if (words.has(word)) fail(text, word, "is given twice; keep one");
    if (![...CONDITIONS, ...ACTIONS].includes(word as never)) {
      fail(
        text,
        word,
        `is no word of rules; conditions are ${CONDITIONS.join(", ")}, actions are ${ACTIONS.join(", ")}`,
      );
    }
    words.set(word, value);
  }
  const actions = ACTIONS.filter((word) => words.has(word));
  const [action, second] = actions;
  if (action === undefined) fail(text, "the rule", `has no action; add one of ${ACTIONS.join(", ")}`);
  if (second !== undefined) fail(text, second, `is a second action beside ${action}; write one rule for each`);
  const value = (word: (typeof CONDITIONS)[number]) => (words.has(word) ? (words.get(word) ?? "") : undefined);
  const whole = (word: "conn" | "nth") => wholeNumber(text, word, value(word));
  return {
    text,
    call: callOf(text, value("call")),
    direction: directionOf(text, value("direction")),
    conn: whole("conn"),
    nth: whole("nth"),
    chance: chanceOf(text, value("chance")),
    action: actionOf(text, action, words.get(action)),
  };
}

function fail(rule: string, word: string, why: string): never {
  throw new ConversationError(`rule ${JSON.stringify(rule)}: ${word} ${why}`);
}

/** Splits at commas, except for those within quotes. */
function termsOf(text: string): string[] {
  const terms = text.match(/(?:"(?:[^"\\]|\\.)*"|[^,"])+/gs) ?? [];
  if (terms.join(",") !== text)
    fail(text, "the rule", 'has an empty word or an open quote; write word=value,word=value, texts in "…"');
  return terms;
}

function callOf(rule: string, value: string | undefined): string | undefined {
  if (value === undefined || CALLS.has(value)) return value;
  const similar = [...CALLS].filter((call) => call.toLowerCase().includes(value.toLowerCase()) && value !== "");
  const hint =
    similar.length === 0 ? "a call is written as ReadStdout or CreateContainer" : `did you mean ${similar.join(", ")}?`;
  fail(rule, `call=${value}`, `is no call of the agent; ${hint}`);
}

function directionOf(rule: string, value = "request"): Rule["direction"] {
  if (value === "request" || value === "response" || value === "both") return value;
  return fail(rule, `direction=${value}`, "is no direction; use request, response or both");
}

function wholeNumber(rule: string, word: string, value: string | undefined): number | undefined {
  if (value === undefined) return undefined;
  return /^[1-9]\d{0,8}$/.test(value) ? Number(value) : fail(rule, `${word}=${value}`, "is no number; count from 1");
}

function chanceOf(rule: string, value = "1"): number {
  const chance = /^\d*\.?\d+$/.test(value) ? Number(value) : Number.NaN;
  return chance > 0 && chance <= 1
    ? chance
    : fail(rule, `chance=${value}`, "is no probability; use a number above 0, up to 1");
}

function actionOf(rule: string, kind: (typeof ACTIONS)[number], value: string | undefined): Action {
  const wrong = (why: string) => fail(rule, value === undefined ? kind : `${kind}=${value}`, why);
  switch (kind) {
    case "drop":
    case "duplicate":
      return value === undefined ? { kind } : wrong("takes no value; leave it out");
    case "delay": {
      const [, digits = "", unit = ""] = /^(\d{1,9}(?:\.\d+)?)(ms|s|m)$/.exec(value ?? "") ?? [];
      const ms = Number(digits) * (UNITS[unit] ?? Number.NaN);
      return digits !== "" && ms <= MAX_DELAY_MS
        ? { kind, ms }
        : wrong("is no time; use one such as 200ms or 1.5s, at most 60m");
    }
    case "cut": {
      const isNumber = /^\d{1,9}$/.test(value ?? "");
      return isNumber
        ? { kind, bytes: Number(value) }
        : wrong("is no number of bytes; use cut=0 to close before the frame");
    }
    case "kill": {
      const pid = /^\d{1,9}$/.test(value ?? "") ? Number(value) : 0;
      return pid > 1 ? { kind, pid } : wrong("is no process id; use one above 1, such as kill=4711");
    }
    case "fail":
      return failureOf(value ?? "", wrong);
  }
}

/** Parses CODE, CODE:text or CODE:"text". */
function failureOf(value: string, wrong: (why: string) => never): Action {
  const [, name = "", given = ""] = /^([^:]*)(?::(.*))?$/s.exec(value) ?? [];
  const code = name.toLowerCase().replaceAll("_", "-");
  if (!isCode(code) || code === "ok") {
    const names = Object.keys(CODES).filter((one) => one !== "ok");
    return wrong(`is no error; use one of ${names.map((one) => one.toUpperCase().replaceAll("-", "_")).join(", ")}`);
  }
  const quoted = /^"(.*)"$/s.exec(given)?.[1];
  const text = quoted === undefined ? given : quoted.replace(/\\(.)/gs, "$1");
  if (text.length > MAX_TEXT) wrong(`is longer than ${MAX_TEXT} characters; shorten the text`);
  return { kind: "fail", code, text };
}

function isCode(name: string): name is CodeName {
  return Object.hasOwn(CODES, name);
}
