import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { repository } from "./pages.ts";
import { testIndex } from "./test-index.ts";

/** Writes build/tests.md, for `npm run docs:tests`. */
mkdirSync(join(repository, "build"), { recursive: true });
writeFileSync(join(repository, "build/tests.md"), testIndex());
console.log("build/tests.md");
