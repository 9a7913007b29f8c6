import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { copyIn, copyOut } from "../../host/client/streams/copy-files.ts";
import { describeInNamespaces } from "../init/testing/describe-in-namespaces.ts";
import { Pod } from "../scenarios/pod.ts";
import { startHostAgent } from "./testing/host-agent.ts";

describeInNamespaces("copying between the host and a container", () => {
  let machine: Awaited<ReturnType<typeof startHostAgent>>;
  let pod: Pod;
  let container: string;
  let address: string;
  beforeAll(async () => {
    machine = await startHostAgent();
    pod = await Pod.open(machine);
    container = await pod.start(["sleep", "1000"]);
    address = `${machine.address}_1028`;
  });
  afterAll(async () => {
    await pod?.client.close();
    await machine?.[Symbol.asyncDispose]();
  });

  it("copies a file out and in", async () => {
    const there = join(machine.directory, container);
    writeFileSync(join(there, "out"), "hello");
    await copyOut(address, { container, path: "/out" }, join(machine.directory, "got"));
    expect(readFileSync(join(machine.directory, "got"), "utf8")).toBe("hello");
    await copyIn(address, join(machine.directory, "got"), { container, path: "/in" });
    expect(readFileSync(join(there, "in"), "utf8")).toBe("hello");
  });
});
