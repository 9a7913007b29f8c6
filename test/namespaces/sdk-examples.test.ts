import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { parseAllDocuments } from "yaml";
import { describeExamples, examples, NIGHTLY_OUTPUTS, OUTPUTS } from "./testing/example-outputs.ts";

/** Run in a guest by test/nightly/sdk.test.ts, as its limits need one. */
const IN_GUEST = ["untrusted-code.ts"];

describeExamples(OUTPUTS);

describe("the examples", () => {
  it("are all run by a test", () => {
    const programs = readdirSync(examples).filter((name) => name.endsWith(".ts") && name !== "where.ts");
    expect(programs.sort()).toEqual([...Object.keys(OUTPUTS), ...Object.keys(NIGHTLY_OUTPUTS), ...IN_GUEST].sort());
  });

  it("for Kubernetes refer to a runtime class that exists", () => {
    const folder = join(examples, "kubernetes");
    const objects = readdirSync(folder).flatMap((file) => {
      return parseAllDocuments(readFileSync(join(folder, file), "utf8")).map((each) => each.toJS());
    });
    const classes = objects.filter(({ kind }) => kind === "RuntimeClass").map(({ metadata }) => metadata.name);
    const jobs = objects.filter(({ kind }) => kind === "Job").map(({ spec }) => spec.template.spec.runtimeClassName);
    expect({ classes, jobs }).toEqual({ classes: ["guestd"], jobs: ["guestd"] });
  });
});
