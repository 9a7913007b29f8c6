import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { repository } from "./pages.ts";
import { testIndex } from "./test-index.ts";

/** `npm run docs:tests`: writes docs/tests.md. */
writeFileSync(join(repository, "docs/tests.md"), testIndex());
