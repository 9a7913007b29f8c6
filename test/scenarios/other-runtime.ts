import { afterAll, beforeAll, describe } from "vitest";
import { containerScenarios } from "./containers.ts";
import type { CurrentPod } from "./current-pod.ts";
import { enduranceScenarios } from "./endurance.ts";
import { execConfinement } from "./exec-confinement.ts";
import { runtimeLimitScenarios } from "./limits.ts";
import type { Machine } from "./machine.ts";
import { Pod } from "./pod.ts";
import { specFieldScenarios } from "./spec-fields.ts";

/** Scenarios that don't depend on the runtime. */
export type SharedScenarios = "containers" | "fields of the spec" | "limits" | "failures and removals";

/** Registers scenarios with another OCI runtime: same calls, same results. */
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
    "fields of the spec": () => {
      specFieldScenarios(() => current.pod);
      execConfinement(() => current.pod);
    },
    limits: () => runtimeLimitScenarios(() => current.pod),
    "failures and removals": () => enduranceScenarios(current),
  };
  for (const part of parts) describe(part, all[part]);
}
