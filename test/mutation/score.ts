import { textTable } from "../../host/cli/output/text-table.ts";

/** The part of Stryker's JSON report that is read here. */
export interface Report {
  readonly files: Readonly<Record<string, { readonly source: string; readonly mutants: readonly Mutant[] }>>;
}

interface Position {
  readonly line: number;
  readonly column: number;
}

export interface Mutant {
  readonly status: string;
  readonly mutatorName: string;
  readonly replacement?: string;
  readonly location: { readonly start: Position; readonly end: Position };
}

export interface Score {
  readonly folder: string;
  readonly killed: number;
  readonly timedOut: number;
  readonly survived: number;
  /** Per cent of mutants that a test noticed, by failing or by not ending. NaN without mutants. */
  readonly score: number;
}

const ALIVE = new Set(["Survived", "NoCoverage"]);

/** Counts a report's mutants by folder, with a last row for all of them. Ignored and invalid ones don't count. */
export function scores(report: Report, folders: readonly string[]): Score[] {
  return [...folders, ""].map((folder) => {
    const mutants = Object.entries(report.files).flatMap(([path, file]) =>
      folder === "" || path.startsWith(`${folder}/`) ? file.mutants : [],
    );
    const killed = mutants.filter(({ status }) => status === "Killed").length;
    const timedOut = mutants.filter(({ status }) => status === "Timeout").length;
    const survived = mutants.filter(({ status }) => ALIVE.has(status)).length;
    const score = (100 * (killed + timedOut)) / (killed + timedOut + survived);
    return { folder: folder || "all", killed, timedOut, survived, score };
  });
}

export function scoreTable(rows: readonly Score[]): string {
  const cells = rows.map(({ folder, killed, timedOut, survived, score }) => [
    folder,
    String(killed),
    String(timedOut),
    String(survived),
    `${score.toFixed(1)} %`,
  ]);
  return textTable([["folder", "killed", "timed out", "survived", "score"], ...cells]);
}

/** Lists the mutants that no test noticed: FILE:LINE:COLUMN, what stands there, what may stand there instead. */
export function survivors(report: Report): string[] {
  return Object.entries(report.files).flatMap(([path, { source, mutants }]) =>
    mutants
      .filter(({ status }) => ALIVE.has(status))
      .map(({ location, mutatorName, replacement = mutatorName, status }) => {
        const untested = status === "NoCoverage" ? " (no test runs it)" : "";
        const { line, column } = location.start;
        return `${path}:${line}:${column}  ${short(textAt(source, location))}  →  ${short(replacement)}${untested}`;
      }),
  );
}

function textAt(source: string, { start, end }: Mutant["location"]): string {
  const lines = source.split("\n").slice(start.line - 1, end.line);
  const last = lines.length - 1;
  return lines
    .map((line, at) => line.slice(at === 0 ? start.column - 1 : 0, at === last ? end.column - 1 : undefined))
    .join("\n");
}

function short(text: string): string {
  const line = text.replace(/\s+/g, " ");
  return line.length > 60 ? `${line.slice(0, 59)}…` : line;
}
