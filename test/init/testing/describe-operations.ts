import { afterAll, beforeAll, expect } from "vitest";
import type { InitClient } from "../../../agent/kernel/init/init-client.ts";
import type { PlanOp } from "../../../agent/kernel/init/plan.ts";
import { enterRootfs, mountProc, pivot } from "./container-plan.ts";
import { type RelayedInit, startRelayedInit } from "./relayed-init.ts";
import { makeRootfs } from "./rootfs.ts";
import { failure, run, shell, stdio } from "./run-plan.ts";
import { describeInit } from "./variants.ts";

/** An init, the client on its agent's socket, and a rootfs for containers. */
export interface Operations {
  readonly init: RelayedInit;
  readonly agent: InitClient;
  readonly rootfs: string;
  /** Returns the output of a script that runs in the pivoted rootfs after the given operations. */
  inside(ops: readonly PlanOp[], script: string, after?: readonly PlanOp[]): Promise<string>;
  /** Returns the error of a plan that fails in the rootfs. */
  failing(ops: readonly PlanOp[]): Promise<string>;
}

/** Describes tests of plan operations for each build of init. `on` is filled while they run. */
export function describeOperations(name: string, tests: (on: Operations) => void): void {
  describeInit(name, (binary) => {
    const on = {} as { init: RelayedInit; agent: InitClient; rootfs: string };
    beforeAll(async () => {
      on.init = await startRelayedInit({ init: binary });
      on.agent = await on.init.nextAgent();
      on.rootfs = makeRootfs(on.init.shared);
    });
    afterAll(async () => on.init[Symbol.asyncDispose]());

    tests(
      Object.assign(on, {
        async inside(ops: readonly PlanOp[], script: string, after: readonly PlanOp[] = []): Promise<string> {
          const plan = [...enterRootfs(on.rootfs), ...mountProc, ...ops, pivot, stdio, ...after, ...shell(script)];
          const finished = await run(on.agent, plan);
          expect(failure(plan, finished)).toMatch(/^executed/);
          return finished.output.trim();
        },
        async failing(ops: readonly PlanOp[]): Promise<string> {
          const plan = [...enterRootfs(on.rootfs), ...ops, pivot, stdio, ...shell("true")];
          return failure(plan, await run(on.agent, plan));
        },
      }),
    );
  });
}
