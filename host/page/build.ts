// Builds build/page, what `guestctl serve` serves: index.html, a script and a style sheet whose names have their hashes.
import { globSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { basename, join, relative } from "node:path";
import { build } from "esbuild";

const root = join(import.meta.dirname, "../..");

/** Path of the built page's folder. */
export const PAGE_FOLDER = join(root, "build/page");

/** Files that the page is made of. */
const SOURCES = ["host/page/**/*", "host/serve/protocol/**/*.ts", "host/engine/tree/**/*.ts", "package-lock.json"];

/** Bundles the page into `folder`. Removes what an earlier build left there. */
export async function buildPage(folder: string): Promise<void> {
  const page = join(root, "host/page");
  const { outputFiles } = await build({
    absWorkingDir: root,
    entryPoints: [join(page, "main.tsx"), join(page, "page.css")],
    outdir: folder,
    entryNames: "page-[hash]",
    bundle: true,
    write: false,
    minify: true,
    format: "esm",
    platform: "browser",
    target: "es2022",
    charset: "utf8",
    legalComments: "none",
    logLevel: "warning",
    jsx: "automatic",
    jsxImportSource: "preact",
    tsconfigRaw: { compilerOptions: { strict: true, verbatimModuleSyntax: true } },
  });
  const named = (end: string) => basename(outputFiles.find(({ path }) => path.endsWith(end))?.path ?? "");
  const html = readFileSync(join(page, "page.html"), "utf8")
    .replace("STYLE", `/${named(".css")}`)
    .replace("SCRIPT", `/${named(".js")}`);
  mkdirSync(folder, { recursive: true });
  for (const { path, contents } of outputFiles) writeFileSync(path, contents);
  // Renamed last: a server that is running finds the files that index.html names.
  const fresh = join(folder, `index.html.${process.pid}`);
  writeFileSync(fresh, html);
  renameSync(fresh, join(folder, "index.html"));
  const kept = new Set(["index.html", ...outputFiles.map(({ path }) => basename(path))]);
  for (const name of readdirSync(folder)) if (!kept.has(name)) rmSync(join(folder, name), { force: true });
}

function isCurrent(folder: string): boolean {
  const built = statSync(join(folder, "index.html"), { throwIfNoEntry: false });
  if (built === undefined) return false;
  const times = globSync(SOURCES, { cwd: root }).map((path) => statSync(join(root, path)).mtimeMs);
  return Math.max(...times) < built.mtimeMs;
}

if (import.meta.main) {
  if (!isCurrent(PAGE_FOLDER)) await buildPage(PAGE_FOLDER);
  console.log(relative(root, PAGE_FOLDER));
}
