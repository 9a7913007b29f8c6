import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import packageJson from "../../../package.json" with { type: "json" };
import { repositoryRoot } from "../../vm/paths.ts";
import { dockerPage } from "../docker/docker-page.ts";
import { createProgram } from "../program.ts";
import { commandTexts } from "./command-text.ts";
import { manFile, manPage } from "./man-page.ts";
import { referencePage } from "./reference-page.ts";

// write-manual.ts [DIR] writes manual pages to DIR (default: build/man) and, without DIR, docs/guestctl-reference.md and
// docs/docker.md.
const [to] = process.argv.slice(2);
const directory = to ?? join(repositoryRoot, "build/man");
const texts = commandTexts(await createProgram());
mkdirSync(directory, { recursive: true });
for (const text of texts) writeFileSync(join(directory, manFile(text)), manPage(text, texts, packageJson.version));
if (to === undefined) {
  writeFileSync(join(repositoryRoot, "docs/guestctl-reference.md"), referencePage(texts));
  writeFileSync(join(repositoryRoot, "docs/docker.md"), dockerPage());
}
