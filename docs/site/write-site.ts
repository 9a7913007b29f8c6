import { join } from "node:path";
import { buildSite } from "./build-site.ts";

/** Builds the documentation site, for `npm run docs`. The argument is the folder, by default build/docs. */
await buildSite(process.argv[2] ?? join(import.meta.dirname, "../../build/docs"));
