import { chmodSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { describeInNamespaces } from "../init/testing/describe-in-namespaces.ts";
import { startHostAgent } from "../namespaces/testing/host-agent.ts";
import { ociSpec } from "../scenarios/oci.ts";
import { Pod } from "../scenarios/pod.ts";
import { answersThroughout } from "./testing/answers-throughout.ts";
import { buildAttacker } from "./testing/attacker.ts";

/** Mounts of 15 KiB each in mountinfo. */
const MOUNTS = 5000;

describeInNamespaces("a container without capabilities that has 75 MiB of mounts", () => {
  it("delays no other call while one of its mounts is shared with another container", async () => {
    await using machine = await startHostAgent();
    const pod = await Pod.open(machine);
    await using _client = pod.client;
    const rootfs = machine.rootfs("many");
    chmodSync(join(rootfs, "tmp"), 0o777);
    buildAttacker("many-mounts", rootfs);
    const args = ["many-mounts", String(MOUNTS)];
    const Process = { ...ociSpec(rootfs, args).Process, Capabilities: {}, User: { UID: 1000, GID: 1000 } };
    const attacker = await pod.create(args, { Process }, rootfs);
    await pod.client.agent.startContainer({ container_id: attacker });
    const { data } = await pod.client.agent.readStdout({ container_id: attacker, exec_id: attacker, len: 100 });
    expect(Buffer.from(data).toString()).toBe(`${MOUNTS}\n`);
    const OCI = ociSpec(machine.rootfs("other"), ["sleep", "1000"]);
    const shared = { name: "srv", src_ctr: attacker, src_path: "/srv", dst_path: "/srv" };
    const create = () => pod.client.agent.createContainer({ container_id: "other", OCI, shared_mounts: [shared] });
    await answersThroughout(pod, () => expect(create()).rejects.toThrow("is longer than 1048576 bytes"));
    await pod.remove(attacker);
  });
});
