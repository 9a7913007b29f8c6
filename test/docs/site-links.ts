import { existsSync, globSync, readFileSync, statSync } from "node:fs";
import { dirname, join, normalize, relative } from "node:path";

const ELSEWHERE = /^(?:[a-z][a-z+.-]*:|\/\/)/i;

/**
 * Returns one line for each link of a built site that leads nowhere: to a file that doesn't exist, to an anchor that its
 * page lacks, or out of the site's folder. Reports also what a page would load from elsewhere.
 */
export function siteProblems(site: string): string[] {
  const pages = new Map(
    globSync("**/*.{html,svg}", { cwd: site }).map((path) => [path, readFileSync(join(site, path), "utf8")]),
  );
  const ids = new Map([...pages].map(([path, text]) => [path, new Set(attributes(text, "id"))]));
  return [...pages].flatMap(([page, text]) => {
    const loaded = Array.from(text.matchAll(/<(?:link|script|img|iframe)\b[^>]*?\s(?:href|src)="([^"]*)"/g));
    const foreign = loaded.map(([, url = ""]) => url).filter((url) => ELSEWHERE.test(url) && !url.startsWith("data:"));
    const links = [...attributes(text, "href"), ...attributes(text, "src")].filter((url) => !ELSEWHERE.test(url));
    const dead = [...new Set(links)].filter((url) => !leadsSomewhere(site, page, url, ids));
    return [...foreign.map((url) => `${page} loads ${url}`), ...dead.map((url) => `${page} links to ${url}`)];
  });
}

function attributes(text: string, name: string): string[] {
  return Array.from(text.matchAll(new RegExp(`\\s${name}="([^"]*)"`, "g")), ([, value = ""]) =>
    value.replaceAll("&amp;", "&"),
  );
}

function leadsSomewhere(site: string, page: string, url: string, ids: ReadonlyMap<string, Set<string>>): boolean {
  const [path = "", anchor = ""] = decodeURI(url).split("#");
  const target = path === "" ? page : normalize(join(dirname(page), path));
  const file = join(site, target);
  if (relative(site, file).startsWith("..") || !existsSync(file) || !statSync(file).isFile()) return false;
  return anchor === "" || ids.get(target)?.has(anchor) === true;
}
