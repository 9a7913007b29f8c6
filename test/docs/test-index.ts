import { globSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { evidence } from "./evidence.ts";
import { repository } from "./pages.ts";
import { testNames } from "./test-names.ts";

/**
 * Groups in the order of the page. A file belongs to the first that matches. The projects are those of
 * vitest.config.ts.
 */
const GROUPS: readonly (readonly [title: string, text: string, pattern: RegExp])[] = [
  [
    "Conformance",
    "Cases of `guestctl conformance`, which `test/namespaces/conformance.test.ts` runs.",
    /^host\/conformance\/groups\//,
  ],
  ["Shared suites", "Run by test files of several projects.", /^test\/.*(?<!\.test)\.ts$/],
  ["Project nightly", "`npm run test:nightly`", /^test\/nightly\//],
  ["Project guest", "The real image in QEMU.", /^test\/(vm|attack\/vm)\//],
  [
    "Project init",
    "init and the agent in namespaces.",
    /^test\/(init|namespaces|attack|fuzz|oci-runtime|differential)\//,
  ],
  ["Project unit", "Functions, and small parts of the system.", /./],
];

/** Returns the text of build/tests.md. */
export function testIndex(): string {
  return [HEAD, ...promiseTables(), ...GROUPS.toReversed().flatMap(([title, text]) => group(title, text))].join("\n");
}

const HEAD = `# Index of tests

Every promise of these pages with the tests that show it, then every test by file. For reviewers who ask "what shows this?", and
for authors who ask "what depends on this test?". To run one:

    npx vitest run test/namespaces/service.test.ts

\`npm run docs:tests\` writes this page from \`test/docs/evidence.yaml\` and the names in the test files.
[threat-model.md](../docs/threat-model.md) and [shared-resources.md](../docs/shared-resources.md) name the test of each
attack themselves.

## By promise
`;

function promiseTables(): string[] {
  let last = "";
  return [...evidence].flatMap(([place, promises]) => {
    const page = basename(place.split("#")[0] ?? "");
    const heading = page === last ? [] : [`### ${page}`, ""];
    last = page;
    const rows = [...promises].map(
      ([promise, tests]) => `| ${promise} | ${tests.map((test) => `\`${test}\``).join(", ")} |`,
    );
    const link = `[${basename(place).replace("#", ": ").replaceAll("-", " ")}](../${place})`;
    return [...heading, link, "", "| promise | tests |", "|---|---|", ...rows, ""];
  });
}

/** Returns the lines of a group: its files by folder, each with its pages and the names of its tests. */
function group(title: string, text: string): string[] {
  const files = allTests.filter((path) => GROUPS.find(([, , pattern]) => pattern.test(path))?.[0] === title);
  const folders = Map.groupBy(files, dirname);
  const blocks = [...folders].flatMap(([folder, paths]) => [
    `### ${folder}`,
    "",
    "```text",
    ...paths.flatMap((path) => [heading(path), ...(names.get(path) ?? [])]),
    "```",
    "",
  ]);
  return [`## ${title}`, "", text, "", ...blocks];
}

function heading(path: string): string {
  const pages = new Set<string>();
  for (const [place, promises] of evidence) {
    const shown = [...promises.values()].flat().some((test) => path === test || path.startsWith(`${test}/`));
    if (shown) pages.add(basename(place.split("#")[0] ?? ""));
  }
  return pages.size === 0 ? basename(path) : `${basename(path)} → ${[...pages].join(", ")}`;
}

const names: ReadonlyMap<string, readonly string[]> = new Map(
  globSync("*/**/*.ts", { cwd: repository, exclude: ["build", "**/{gen,node_modules,testdata}"] })
    .toSorted()
    .map((path) => [
      path,
      testNames(join(repository, path)).map(({ depth, name }) => "  ".repeat(depth + 1) + name.replaceAll(/\s+/g, " ")),
    ]),
);

const allTests = [...names].filter(([, tests]) => tests.length > 0).map(([path]) => path);
