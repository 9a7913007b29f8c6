import { afterAll, beforeAll, describe } from "vitest";
import { containerScenarios } from "./containers.ts";
import { enduranceScenarios } from "./endurance.ts";
import { limitScenarios } from "./limits.ts";
import type { Machine } from "./machine.ts";
import { Pod } from "./pod.ts";
import { specFieldScenarios } from "./spec-fields.ts";

/** The scenarios that do not depend on who makes the containers, made by another OCI runtime: same calls, same results. */
export function otherRuntimeScenarios(machine: () => Machine, runtime: string, limits: boolean): void {
  const current = {} as { pod: Pod };
  beforeAll(async () => {
    current.pod = await Pod.open(machine(), await machine().connect(), { "guestd.runtime": runtime });
  });
  afterAll(() => current.pod?.client.close());
  describe("containers", () => containerScenarios(() => current.pod));
  describe("fields of the spec", () => specFieldScenarios(() => current.pod));
  if (limits) describe("limits", () => limitScenarios(() => current.pod));
  describe("when things end", () => enduranceScenarios(current));
}
