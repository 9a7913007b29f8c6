import { readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { explainMessage } from "../../agent/service/explain-spec.ts";
import { stepsText } from "../../host/cli/command/explain.ts";
import { specFromJson } from "../../host/oci/config-json.ts";
import { privilegedPod } from "./base-specs.ts";
import { specs } from "./specs.ts";

const directory = join(import.meta.dirname, "plans");

/** Returns the output of `guestctl explain --spec`, or the line that refuses the spec. */
function explained(config: object): string {
  try {
    const steps = explainMessage(specFromJson(config, "config.json"));
    // The number of instructions depends on libseccomp's version.
    return stepsText(steps).replace(/\d+ instructions/, "its instructions");
  } catch (error) {
    return `refused: ${(error as Error).message}\n`;
  }
}

describe("the launch plan of each spec is the one on file", () => {
  test.each(Object.entries(specs))("%s", async (name, config) => {
    const text = explained(config);
    expect(text.startsWith("refused: ")).toBe(name.startsWith("refused-"));
    await expect(text).toMatchFileSnapshot(join(directory, `${name}.txt`));
  });

  test("a privileged pod has the same plan without its device rules, which hosts leave out", () => {
    const linux = { ...privilegedPod.linux, resources: { devices: [] } };
    expect(explained({ ...privilegedPod, linux })).toBe(explained(privilegedPod));
  });

  test("every file of plans/ belongs to a spec", () => {
    const names = Object.keys(specs).map((name) => `${name}.txt`);
    expect(readdirSync(directory).sort()).toEqual(names.sort());
    expect(names.length).toBeGreaterThanOrEqual(40);
  });
});
