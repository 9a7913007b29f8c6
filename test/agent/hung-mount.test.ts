import { existsSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { whyNoNamespaces } from "../init/harness.ts";
import { ociSpec } from "../scenarios/oci.ts";
import { Pod } from "../scenarios/pod.ts";
import { startHostAgent } from "./host-agent.ts";
import { hungMount } from "./hung-mount.ts";

const HUNG = "/run/kata-containers/shared/containers/hung";
/** More than libuv has threads. */
const MANY = 8;
const reason = whyNoNamespaces() ?? (existsSync("/dev/fuse") ? undefined : "no /dev/fuse");

describe(`a mount that hangs${reason === undefined ? "" : ` (skipped: ${reason})`}`, {
  skip: reason !== undefined,
}, () => {
  it("holds up the calls that use it, and no other", async () => {
    await using machine = await startHostAgent();
    await using client = await machine.connect();
    const pod = await Pod.open(machine, client);
    await hungMount(machine, HUNG);
    const { agent } = client;
    const bind = { destination: "/hung", source: `${HUNG}/a`, type: "bind", options: ["rbind"] };
    const file = { path: `${HUNG}/file`, file_mode: 0o100644, file_size: 1, data: Buffer.from("x") };
    const held = [
      ...Array.from({ length: MANY }, () => agent.getVolumeStats({ volume_guest_path: HUNG })),
      ...Array.from({ length: MANY }, () => agent.removeStaleVirtiofsShareMounts({})),
      pod.create(["true"], { Mounts: [...(ociSpec("/", []).Mounts ?? []), bind] }),
      pod.create(["true"], {}, `${HUNG}/rootfs`),
      agent.copyFile(file),
    ];
    let answered = 0;
    for (const call of held) {
      call.then(
        () => answered++,
        () => answered++,
      );
    }
    await client.health.check({});

    const storages = [{ driver: "ephemeral", source: "tmpfs", fstype: "tmpfs", mount_point: "/run/beside" }];
    const OCI = ociSpec(machine.rootfs("beside"), ["sleep", "1000"]);
    const ids = { container_id: "beside", exec_id: "x" };
    await agent.createContainer({ container_id: "beside", OCI, storages });
    await agent.startContainer(ids);
    await agent.execProcess({ ...ids, process: { Args: ["sleep", "1000"], Env: ["PATH=/bin"], Cwd: "/" } });
    await agent.signalProcess({ ...ids, signal: 9 });
    expect((await agent.waitProcess(ids)).status).toBe(137);
    await agent.removeContainer(ids);
    expect(answered).toBe(0);
  });
});
