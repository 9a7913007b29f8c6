/** The measured part of docs/security-figures.md. */
export interface Figures {
  /** Machine, accelerator and date. */
  readonly where: string;
  /** Axis, object and figure. */
  readonly rows: readonly (readonly string[])[];
  /** System calls by program, with their counts as text. */
  readonly calls: ReadonlyMap<string, string>;
}

export const HEADING = ["axis", "of", "figure"];
const MEASURED = /<!-- bench:security -->\n.*<!-- end -->/s;

/** Returns the page with these figures in place of the earlier ones. Throws if it has no place for them. */
export function withFigures(page: string, { where, rows, calls }: Figures): string {
  if (!MEASURED.test(page)) throw new Error("the page has no <!-- bench:security --> … <!-- end -->");
  const line = (cells: readonly string[]) => `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |\n`;
  const table = [line(HEADING), "|---|---|---|\n", ...rows.map(line)].join("");
  const names = [...calls].map(([program, text]) => `${program}: ${text}\n`).join("\n");
  const measured = `${where}\n\n${table}\nThe calls by program:\n\n\`\`\`text\n${names}\`\`\`\n`;
  return page.replace(MEASURED, () => `<!-- bench:security -->\n${measured}<!-- end -->`);
}
