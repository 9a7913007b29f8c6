/**
 * The conformance suite as a library: the only file that a package of it needs as its entry. It imports nothing of `host/cli` and
 * nothing of ours but the client; `guestTarget`, which boots guests, is in a file of its own.
 */
export { compareRuns, isAsExpected } from "./compare-runs.ts";
export { GROUPS } from "./groups.ts";
export { readKnownFailures } from "./known-failures.ts";
export { readSelection } from "./read-selection.ts";
export { badge } from "./report/badge.ts";
export { comparisonPage, comparisonText } from "./report/comparison.ts";
export { comparisonJson } from "./report/comparison-json.ts";
export { htmlReport } from "./report/html.ts";
export { jsonReport } from "./report/json.ts";
export { junitReport } from "./report/junit.ts";
export { caseLine, summaryLine } from "./report/summary.ts";
export { runSuite } from "./run-suite.ts";
export { addressTarget } from "./target/address-target.ts";
export { startedTarget } from "./target/started-target.ts";
export { isConformant } from "./verdict.ts";
