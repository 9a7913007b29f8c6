import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

const LICENCE = /^(licen[cs]e|copying|notice)(\.(md|txt|mit))?$/i;

/** Returns the licences of bundled packages, given by their folders ("node_modules/yaml"), as one text. */
export function notices(root: string, folders: readonly string[]): string {
  const parts = [...new Set(folders)].sort().map((folder) => {
    const about = JSON.parse(readFileSync(join(root, folder, "package.json"), "utf8"));
    const texts = readdirSync(join(root, folder))
      .filter((name) => LICENCE.test(name))
      .sort()
      .map((name) => readFileSync(join(root, folder, name), "utf8").trim());
    return [`${about.name} ${about.version} (${about.license})`, ...texts].join("\n\n");
  });
  return `The files of this package contain these packages.\n\n${parts.join(`\n\n${"-".repeat(80)}\n\n`)}\n`;
}
