import { existsSync } from "node:fs";
import { afterAll, beforeAll } from "vitest";
import { describeInNamespaces } from "../init/testing/describe-in-namespaces.ts";
import { startHostAgent } from "../namespaces/testing/host-agent.ts";
import { tracedCreation } from "./testing/traced-creation.ts";

const isInstalled = (name: string) => ["/usr/bin", "/usr/sbin"].some((directory) => existsSync(`${directory}/${name}`));
const runtimes = ["crun", "runc"].filter(isInstalled);
const missing = ["crun", "runc"].filter((name) => !isInstalled(name));
const without = missing.length === 0 ? "" : ` (without ${missing.join(", ")}: not installed)`;

describeInNamespaces(`a container that another one in its pid namespace traces${without}`, () => {
  let machine: Awaited<ReturnType<typeof startHostAgent>>;
  beforeAll(async () => {
    machine = await startHostAgent();
  });
  afterAll(() => machine?.[Symbol.asyncDispose]());
  tracedCreation(() => machine, runtimes);
});
