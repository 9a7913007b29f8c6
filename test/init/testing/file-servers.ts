import { rmSync } from "node:fs";
import { afterAll, afterEach, beforeAll, beforeEach } from "vitest";
import type { FileRoot } from "../../../agent/kernel/files/contained-files.ts";
import { FileServers, type ServersOptions } from "../../../agent/kernel/files/file-servers.ts";
import type { InitClient } from "../../../agent/kernel/init/init-client.ts";
import { makeWorkDirectory } from "../../clean-up/work-directory.ts";
import { type RelayedInit, startRelayedInit, sys } from "./relayed-init.ts";
import { describeInit } from "./variants.ts";

export interface ServingInit {
  readonly init: RelayedInit;
  readonly agent: InitClient;
  readonly servers: FileServers;
  /** An empty directory, and the root of its files. */
  readonly directory: string;
  readonly root: FileRoot;
  /** Returns servers with other limits. */
  serversWith(limits: Partial<ServersOptions>): FileServers;
}

let ids = 1000;

/** Describes tests of file servers that an init forks, for each build of init. `on` is filled while they run. */
export function describeFileServers(name: string, tests: (on: ServingInit) => void): void {
  describeInit(name, (binary) => {
    const on = {
      serversWith: (limits: Partial<ServersOptions>) =>
        new FileServers({ sys, init: on.agent, newId: () => ++ids, ...limits }),
    } as { -readonly [K in keyof ServingInit]: ServingInit[K] };
    beforeAll(async () => {
      on.init = await startRelayedInit({ init: binary });
      on.agent = await on.init.nextAgent();
      on.servers = on.serversWith({});
    });
    afterAll(() => on.init[Symbol.asyncDispose]());
    beforeEach(() => {
      on.directory = makeWorkDirectory("files");
      on.root = { container: "c1", path: on.directory };
    });
    afterEach(async () => {
      await Promise.all(["c1", ""].map((container) => on.servers.end(container)));
      rmSync(on.directory, { recursive: true, force: true });
    });
    tests(on);
  });
}
