import { afterAll, beforeAll, describe } from "vitest";
import { containerScenarios } from "./containers.ts";
import type { CurrentPod } from "./current-pod.ts";
import { enduranceScenarios } from "./endurance.ts";
import { limitScenarios } from "./limits.ts";
import type { Machine } from "./machine.ts";
import { Pod } from "./pod.ts";
import { specFieldScenarios } from "./spec-fields.ts";

/** Scenarios that do not depend on who makes the containers. */
export type SharedScenarios = "containers" | "fields of the spec" | "limits" | "when things end";

/** They are made by another OCI runtime: same calls, same results. */
export function otherRuntimeScenarios(
  machine: () => Machine,
  runtime: string,
  parts: readonly SharedScenarios[],
): void {
  const current = {} as CurrentPod;
  beforeAll(async () => {
    current.pod = await Pod.open(machine(), await machine().connect(), { "guestd.runtime": runtime });
  });
  afterAll(() => current.pod?.client.close());
  const all: Record<SharedScenarios, () => void> = {
    containers: () => containerScenarios(() => current.pod),
    "fields of the spec": () => specFieldScenarios(() => current.pod),
    limits: () => limitScenarios(() => current.pod),
    "when things end": () => enduranceScenarios(current),
  };
  for (const part of parts) describe(part, all[part]);
}
