import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { bundleHost } from "./bundle-host.ts";
import { type BuiltPackage, COMMON } from "./guestd-package.ts";
import { launcher } from "./launcher.ts";
import { notices } from "./notices.ts";
import { jsonFile, textFile } from "./package-file.ts";

const NAME = "guestd-conformance";
/** Files that the code reads at run time, and its manual. */
const ASSETS = [
  "proto/*.proto",
  "host/conformance/{report/page.*,known-failures/*.yaml}",
  "docs/conformance.md",
  "LICENSE",
];

/** Builds the package with the conformance suite alone, for those who test an agent without guestd. */
export async function conformancePackage(root: string, version: string): Promise<BuiltPackage> {
  const { files, parts } = await bundleHost(root, { [NAME]: "host/cli/guestd-conformance.ts" });
  const all = [
    ...files,
    ...globSync(ASSETS, { cwd: root }).map((path) => ({ path, content: readFileSync(join(root, path)) })),
    textFile("README.md", README),
    textFile(
      "THIRD-PARTY-NOTICES.txt",
      notices(
        root,
        parts.flatMap(({ modules }) => modules),
      ),
    ),
    ...launcher(NAME),
    jsonFile("package.json", {
      name: NAME,
      version,
      description: "Tests any agent that serves the contract of the Kata Containers agent",
      ...COMMON,
      type: "module",
      bin: { [NAME]: `bin/${NAME}` },
      exports: { "./package.json": "./package.json" },
    }),
  ];
  return { name: NAME, files: all, parts };
}

const README = `# guestd-conformance

Tests any agent that serves the contract of the Kata Containers agent:

    npx guestd-conformance unix:///run/agent.sock

It is \`guestctl conformance\` of [guestd](https://www.npmjs.com/package/guestd) as a package of its own; docs/conformance.md
explains it all.
`;
