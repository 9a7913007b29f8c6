import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

export const repository = join(import.meta.dirname, "../..");

/** Texts of the documentation pages, by path in the repository. */
export const pages: ReadonlyMap<string, string> = new Map(
  [...readdirSync(repository), ...readdirSync(join(repository, "docs")).map((name) => `docs/${name}`)]
    .filter((path) => path.endsWith(".md"))
    .map((path) => [path, readFileSync(join(repository, path), "utf8")]),
);

/** Returns a page's text. Throws if the page doesn't exist. */
export function page(path: string): string {
  const text = pages.get(path);
  if (text === undefined) throw new Error(`page ${path} does not exist`);
  return text;
}

/** Returns the code blocks of a language, in order. */
export function codeBlocks(text: string, language: string): string[] {
  return Array.from(text.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, "gms")), ([, code = ""]) => code);
}

/** Returns the text of a section without its heading. */
export function section(text: string, title: string): string {
  const found = new RegExp(`^## ${title}\\n(.*?)(?=^## |$(?![\\s\\S]))`, "ms").exec(text)?.[1];
  if (found === undefined) throw new Error(`the page has no section ${title}`);
  return found;
}
