import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { describeInNamespaces } from "../init/testing/describe-in-namespaces.ts";
import { ociSpec } from "../scenarios/oci.ts";
import { startHostAgent } from "./testing/host-agent.ts";

const MIB = 1 << 20;

describeInNamespaces("a watchable-bind volume that grows", () => {
  it("is copied up to 1024 files and up to 4 MiB; beyond that the copy stays unchanged, which is logged, until the volume is small again", async () => {
    await using machine = await startHostAgent();
    await using client = await machine.connect();
    await client.agent.createSandbox({ sandbox_id: "pod" });
    const rootfs = machine.rootfs("grows");
    const names = ["files", "bytes"] as const;
    const source = (name: string, file = "") => join(machine.directory, name, file);
    const copy = (name: string, file = "") => join(machine.directory, `${name}-copy`, file);
    for (const name of names) {
      mkdirSync(source(name));
      writeFileSync(source(name, "first"), "1");
    }
    const storages = names.map((name) => ({
      ...{ driver: "watchable-bind", source: source(name), fstype: "bind", options: ["ro"] },
      mount_point: copy(name),
    }));
    await client.agent.createContainer({ container_id: "grows", storages, OCI: ociSpec(rootfs, ["true"]) });

    for (let index = 2; index <= 1024; index++) writeFileSync(source("files", `f${index}`), "");
    writeFileSync(source("bytes", "large"), Buffer.alloc(4 * MIB - 1));
    const look = () =>
      machine.shell(
        `ls ${copy("files")} | wc -l; cat ${copy("bytes", "large")} 2>/dev/null | wc -c; ls ${copy("bytes")}`,
      );
    await expect.poll(look).toBe(`1024\n${4 * MIB - 1}\nfirst\nlarge\n`);
    expect(machine.console()).not.toContain("too large");

    writeFileSync(source("files", "more"), "");
    writeFileSync(source("bytes", "first"), "12");
    const line = (name: string) => `watchable-bind storage ${source(name)}: it has grown too large to copy`;
    for (const name of names) await expect.poll(machine.console).toContain(line(name));
    expect(await machine.shell(`ls ${copy("files")} | wc -l; cat ${copy("bytes", "first")}`)).toBe("1024\n1");

    rmSync(source("files", "f2"));
    writeFileSync(source("bytes", "large"), "small");
    const after = () =>
      machine.shell(`ls ${copy("files", "more")}; cat ${copy("bytes", "first")} ${copy("bytes", "large")}`);
    await expect.poll(() => after().catch(() => "")).toBe(`${copy("files", "more")}\n12small`);
    await client.agent.removeContainer({ container_id: "grows" });
  });
});
