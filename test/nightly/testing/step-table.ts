import type { Step } from "./timed-step.ts";

/** Formats steps as a table of the documents. */
export function stepTable(steps: readonly (readonly [name: string, step: Step])[]): string {
  const rows = steps.map(([name, { elapsed, processor }]) => {
    return `| \`${name}\` | ${elapsed.toFixed(1)} | ${processor.toFixed(1)} |\n`;
  });
  return `| step | elapsed, s | processor, s |\n|---|---|---|\n${rows.join("")}`;
}
