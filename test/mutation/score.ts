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
  /** A test runs them, and passes. */
  readonly survived: number;
  /** No test runs them. */
  readonly untested: number;
  /** Per cent of all mutants that a test noticed, by failing or by not ending. NaN without mutants. */
  readonly score: number;
  /** Per cent of those that a test runs. */
  readonly ofTested: number;
}

const ALIVE = new Set(["Survived", "NoCoverage"]);

/** Counts a report's mutants by folder, with a last row for all of them. Ignored and invalid ones don't count. */
export function scores(report: Report, folders: readonly string[]): Score[] {
  return [...folders, ""].map((folder) => {
    const mutants = Object.entries(report.files).flatMap(([path, file]) =>
      folder === "" || path.startsWith(`${folder}/`) ? file.mutants : [],
    );
    const count = (wanted: string) => mutants.filter(({ status }) => status === wanted).length;
    const [killed, timedOut] = [count("Killed"), count("Timeout")];
    const [survived, untested] = [count("Survived"), count("NoCoverage")];
    const noticed = 100 * (killed + timedOut);
    const tested = killed + timedOut + survived;
    const rates = { score: noticed / (tested + untested), ofTested: noticed / tested };
    return { folder: folder || "all", killed, timedOut, survived, untested, ...rates };
  });
}

export function scoreTable(rows: readonly Score[]): string {
  const header = [
    "folder",
    "killed",
    "timed out",
    "survived",
    "not run by a test",
    "score",
    "of those that a test runs",
  ];
  const cells = rows.map(({ folder, score, ofTested, ...counts }) => [
    folder,
    ...[counts.killed, counts.timedOut, counts.survived, counts.untested].map(String),
    ...[score, ofTested].map((rate) => `${rate.toFixed(1)} %`),
  ]);
  return textTable([header, ...cells]);
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
