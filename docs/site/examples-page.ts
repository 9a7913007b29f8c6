import { globSync, readFileSync } from "node:fs";
import { extname, join } from "node:path";

const INTRODUCTION = `# Examples

Whole programs, each run by a test. In a checkout, \`npx node examples/first.ts\` runs one; with the package installed,
save it anywhere. \`where.ts\` says where the others run.
`;

/** Returns the text of a page with all files of a folder of examples: first.ts, then the others by name. */
export function examplesPage(folder: string): string {
  const rank = (path: string) => (path === "first.ts" ? 0 : path.includes("/") ? 2 : 1);
  const files = globSync("**/*.{ts,yaml}", { cwd: folder }).toSorted((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1));
  const sections = files.map((path) => {
    const text = readFileSync(join(folder, path), "utf8").trimEnd();
    return `## ${path}\n\n\`\`\`${extname(path).slice(1)}\n${text}\n\`\`\`\n`;
  });
  return [INTRODUCTION, ...sections].join("\n");
}
