import { execFileSync } from "node:child_process";
import { describeInNamespaces } from "../init/testing/describe-in-namespaces.ts";
import { sdkTraceTests } from "../namespaces/testing/sdk-trace-suite.ts";
import { startCollector } from "../otel-collector/collector.ts";

/** Version of Go that the collector demands in its go.mod. */
const WANTED = 1.26;

function whyNoGo(): string | undefined {
  try {
    const [, version = ""] = /go(\d+\.\d+)/.exec(execFileSync("go", ["version"], { encoding: "utf8" })) ?? [];
    return Number(version) >= WANTED ? undefined : `go is ${version}; the collector needs ${WANTED}`;
  } catch {
    return "go is not installed, which builds the collector";
  }
}

describeInNamespaces(
  "a program with the SDK and the collector of OpenTelemetry",
  () => sdkTraceTests(startCollector),
  whyNoGo(),
);
