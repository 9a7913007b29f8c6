import { InvalidArgumentError } from "commander";

const SECONDS = { s: 1, m: 60, h: 3600, d: 86_400 } as const;

/** Parses a time such as "2026-11-27T12:00:00Z", or how long ago it was: "90s", "10m", "2h", "1d". Throws InvalidArgumentError. */
export function pastTime(text: string): Date {
  const [, number, unit] = /^(\d{1,9})([smhd])$/.exec(text) ?? [];
  const time =
    number === undefined
      ? new Date(/^\d{4}-\d\d-\d\d/.test(text) ? text : Number.NaN)
      : new Date(Date.now() - Number(number) * 1000 * SECONDS[unit as keyof typeof SECONDS]);
  if (Number.isNaN(time.getTime()) || time.getTime() < 0) {
    throw new InvalidArgumentError(
      "Expected a time such as 2026-11-27T12:00:00Z, or 90s, 10m, 2h or 1d for that long ago.",
    );
  }
  return time;
}
