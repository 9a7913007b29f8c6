import { InvalidArgumentError } from "commander";
import type { RestartPolicy } from "./restarts.ts";

/** First and longest pause before a restart, and the run in milliseconds after which it is the first again. As docker's. */
const FIRST_MS = 100;
const LONGEST_MS = 60_000;
const STABLE_MS = 10_000;

/** Parses "no", "always", "on-failure" or "on-failure:5". Throws InvalidArgumentError. */
export function restartPolicy(text: string): RestartPolicy {
  const [, when, digits] = /^(no|always|on-failure)(?::(\d{1,6}))?$/.exec(text) ?? [];
  if (when === "no" || when === "always") if (digits === undefined) return { when };
  if (when === "on-failure") return digits === undefined ? { when } : { when, limit: Number(digits) };
  throw new InvalidArgumentError("Expected no, always, on-failure or on-failure:COUNT.");
}

/** Returns the pause in milliseconds before the next restart, from the one before (0: none) and the length of the run. */
export function restartPause(before: number, ranMs: number): number {
  return before === 0 || ranMs >= STABLE_MS ? FIRST_MS : Math.min(before * 2, LONGEST_MS);
}
