import { rmSync } from "node:fs";
import { join } from "node:path";
import type { Target } from "../../../host/conformance/target/target.ts";
import { makeTemporaryFolder } from "../../../host/private-folder.ts";
import type { Fault } from "./fault.ts";
import { startFaultProxy } from "./fault-proxy.ts";

/** Agents of a target with one defect. */
export interface FaultyTarget extends Target {
  /** Number of times that the defect changed something, in all agents so far. */
  readonly changes: number;
}

/** Returns a target whose agents are those of `target`, each behind a proxy with the fault. */
export function faultyTarget(target: Target, fault: Fault): FaultyTarget {
  let changes = 0;
  return {
    description: `${target.description}, with the fault "${fault.name}"`,
    surroundings: target.surroundings,
    get changes() {
      return changes;
    },
    async open() {
      const agent = await target.open();
      const folder = makeTemporaryFolder("guestd-fault-");
      const proxy = await startFaultProxy(`unix://${join(folder, "fault.sock")}`, agent.address, fault);
      return {
        ...agent,
        address: proxy.address,
        async [Symbol.asyncDispose]() {
          changes += proxy.changes;
          await proxy[Symbol.asyncDispose]();
          rmSync(folder, { recursive: true, force: true });
          await agent[Symbol.asyncDispose]();
        },
      };
    },
  };
}
