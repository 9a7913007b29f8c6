import { parseArgs } from "node:util";

/** Options of `npm run bench:boot`. */
export interface BootBenchOptions {
  readonly rounds: number;
  /** Path of another agent's program. */
  readonly beside?: string | undefined;
  /** File for the medians. */
  readonly json?: string | undefined;
  readonly type?: string | undefined;
}

/** Parses the command line. Beside another agent it defaults to 3 rounds, otherwise to 5. */
export function bootOptions(args: string[]): BootBenchOptions {
  const text = { type: "string" } as const;
  const { values } = parseArgs({ args, options: { rounds: text, json: text, type: text, beside: text } });
  const { beside, json, type } = values;
  if (beside !== undefined && (json ?? type) !== undefined)
    throw new Error("--beside: it goes with --rounds alone, not with --json or --type");
  const rounds = Number(values.rounds ?? (beside === undefined ? 5 : 3));
  if (!Number.isInteger(rounds) || rounds < 1) throw new Error(`--rounds ${values.rounds}: use a whole number above 0`);
  return { rounds, beside, json, type };
}
