import type { FaultResult } from "./run-faults.ts";

const HEAD = "| fault | first case that fails |\n|---|---|\n";
const NOT_CAUGHT = "**not caught**";
const NO_CASE = "no case runs here";
/** The table and everything up to the next empty line. */
const TABLE = /\| fault \| first case that fails \|\n\|---\|---\|\n(?:\|.*\n)*/;

/** Formats results as a table in Markdown. */
export function faultTable(results: readonly FaultResult[]): string {
  const rows = results.map(
    ({ fault, caughtBy, cases }) =>
      `| ${cell(fault)} | ${cell(caughtBy[0] ?? (cases === 0 ? NO_CASE : NOT_CAUGHT))} |\n`,
  );
  return HEAD + rows.join("");
}

/** Returns the page with this table instead of its own. */
export function withFaultTable(page: string, table: string): string {
  if (!TABLE.test(page)) throw new Error("the page has no table of faults");
  return page.replace(TABLE, () => table);
}

/** Reads a page's table: the first case that fails by fault; undefined for a fault that isn't caught. */
export function readFaultTable(page: string): ReadonlyMap<string, string | undefined> {
  const [table = ""] = TABLE.exec(page) ?? [];
  const rows = table.slice(HEAD.length).matchAll(/^\| (.*) \| (.*) \|$/gm);
  return new Map(
    Array.from(rows, ([, fault = "", by = ""]) => [
      fault.replaceAll("\\|", "|"),
      by === NOT_CAUGHT || by === NO_CASE ? undefined : by.replaceAll("\\|", "|"),
    ]),
  );
}

const cell = (text: string) => text.replaceAll("|", "\\|");
