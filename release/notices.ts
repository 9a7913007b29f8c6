import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

const LICENCE = /^(licen[cs]e|copying|notice)(-[\w.-]+|\.(md|txt|mit))?$/i;

/** Returns the licences of bundled packages, given by their folders ("node_modules/yaml"), as one text. */
export function notices(root: string, folders: readonly string[]): string {
  const parts = [...new Set(folders)].sort().map((folder) => {
    const about = JSON.parse(readFileSync(join(root, folder, "package.json"), "utf8"));
    return { title: `${about.name} ${about.version} (${about.license})`, texts: licenceTexts(join(root, folder)) };
  });
  return noticesOf(parts);
}

/** Returns the licences in a package's folder. */
export function licenceTexts(folder: string): readonly string[] {
  const names = readdirSync(folder).filter((name) => LICENCE.test(name));
  return names.sort().map((name) => readFileSync(join(folder, name), "utf8").trim());
}

/** Returns titles and licences of packages as one text: each licence once, below all packages that have it. */
export function noticesOf(parts: readonly { readonly title: string; readonly texts: readonly string[] }[]): string {
  const pairs = parts.flatMap(({ title, texts }) =>
    (texts.length === 0 ? [""] : texts).map((text) => ({ title, text })),
  );
  const byText = Map.groupBy(pairs, ({ text }) => text);
  const sections = [...byText].map(([text, same]) => `${same.map(({ title }) => title).join("\n")}\n\n${text}`.trim());
  return `The files of this package contain these packages.\n\n${sections.join(`\n\n${"-".repeat(80)}\n\n`)}\n`;
}
