import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { whyNoNamespaces } from "../../init/testing/harness.ts";
import { caughtFaults } from "../../namespaces/testing/caught-faults.ts";
import { FAULTS } from "./all-faults.ts";
import { faultTable, withFaultTable } from "./fault-table.ts";

/** Runs all faults and writes their table into docs/conformance.md, for `npm run docs:faults`. Takes minutes. */
const page = join(import.meta.dirname, "../../../docs/conformance.md");
const missing = whyNoNamespaces();
if (missing !== undefined) throw new Error(`write the table of faults: ${missing}`);
let done = 0;
const results = await caughtFaults(FAULTS, ({ fault, caughtBy, cases, changes }) => {
  const by = caughtBy[0] ?? (cases === 0 ? "no case runs here" : "NOT CAUGHT");
  process.stdout.write(
    `${++done}/${FAULTS.length} ${fault}: ${by} (${caughtBy.length} of ${cases} cases, ${changes} changes)\n`,
  );
});
writeFileSync(page, withFaultTable(readFileSync(page, "utf8"), faultTable(results)));
