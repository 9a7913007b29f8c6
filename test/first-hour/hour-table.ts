import type { DoneStep } from "./step.ts";

/** Formats the steps for docs/first-hour.md. */
export function hourTable(steps: readonly DoneStep[]): string {
  const rows = steps.map(({ name, shows, seconds, failure }) => {
    return `| ${name} | ${shows}${failure === undefined ? "" : " (FAILED)"} | ${seconds.toFixed(1)} |\n`;
  });
  return `| step | shows | s |\n|---|---|---|\n${rows.join("")}`;
}
