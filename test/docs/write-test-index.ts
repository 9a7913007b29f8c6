import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { repository } from "./pages.ts";
import { testIndex } from "./test-index.ts";

/** Writes docs/tests.md, for `npm run docs:tests`. */
writeFileSync(join(repository, "docs/tests.md"), testIndex());
