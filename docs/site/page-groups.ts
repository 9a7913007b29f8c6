import { dirname, join, normalize } from "node:path";

/** Group of pages that docs/README.md doesn't list. */
export const OTHER_PAGES = "Project";

/** Titles of the groups in docs/README.md, in its order, and the group of each page by its path in the repository. */
export interface PageGroups {
  readonly titles: readonly string[];
  readonly ofPage: ReadonlyMap<string, string>;
}

/** Reads the groups from the text of docs/README.md. A page that several sections list belongs to the first. */
export function readPageGroups(map: string): PageGroups {
  const titles: string[] = [];
  const ofPage = new Map<string, string>();
  for (const line of map.split("\n")) {
    const title = /^## (.*)$/.exec(line)?.[1];
    if (title !== undefined) titles.push(title);
    const group = titles.at(-1);
    if (group === undefined || !line.startsWith("| ")) continue;
    for (const [, target = ""] of line.matchAll(/\]\(([^)#]+\.md)\)/g)) {
      const page = normalize(join(dirname("docs/README.md"), target));
      if (!ofPage.has(page)) ofPage.set(page, group);
    }
  }
  return { titles, ofPage };
}
