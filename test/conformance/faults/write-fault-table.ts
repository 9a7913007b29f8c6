import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { whyNoNamespaces } from "../../init/testing/harness.ts";
import { caughtFaults } from "../../namespaces/testing/caught-faults.ts";
import { FAULTS } from "./all-faults.ts";
import { faultTable, withFaultTable } from "./fault-table.ts";
import type { FaultResult } from "./run-faults.ts";

/** Runs all faults and writes their table into docs/conformance.md, for `npm run docs:faults`. Takes minutes. */
const page = join(import.meta.dirname, "../../../docs/conformance.md");
const missing = whyNoNamespaces();
if (missing !== undefined) throw new Error(`write the table of faults: ${missing}`);
const onResult = ({ fault, caughtBy, cases, changes }: FaultResult) => {
  const by = caughtBy[0] ?? (cases === 0 ? "no case runs here" : "NOT CAUGHT");
  process.stdout.write(`${fault}: ${by} (${caughtBy.length} of ${cases} cases, ${changes} changes)\n`);
};
const results = await caughtFaults(FAULTS, { guest: true, onResult });
writeFileSync(page, withFaultTable(readFileSync(page, "utf8"), faultTable(results)));
