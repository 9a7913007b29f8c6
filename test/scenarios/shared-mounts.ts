import { expect, it } from "vitest";
import { ociSpec } from "./oci.ts";
import type { Pod } from "./pod.ts";

/** Scenarios of mounts of one container that appear in another. */
export function sharedMountScenarios(pod: () => Pod): void {
  const tmpfs = (destination: string) => ({ destination, source: "tmpfs", type: "tmpfs", options: ["size=1m"] });
  const Mounts = (...more: object[]) => [...(ociSpec("/", []).Mounts ?? []), ...more];
  let count = 0;
  const fresh = () => `sharing-${process.pid}-${Date.now().toString(36)}-${++count}`;

  it("a mount of one container appears in another, with the mounts below it, until both are removed", async () => {
    const name = fresh();
    const source = await pod().start(
      ["sh", "-c", "echo from the source >/srv/file; echo deep >/srv/sub/file; sleep 1000"],
      {
        Annotations: { "io.kubernetes.cri.container-name": name },
        Mounts: Mounts(tmpfs("/srv"), tmpfs("/srv/sub")),
      },
    );
    const shared = { name: "srv", src_ctr: name, src_path: "/srv", dst_path: "/made/here" };
    const container_id = fresh();
    const OCI = ociSpec(pod().machine.rootfs(container_id), ["sleep", "1000"]);
    await pod().client.agent.createContainer({ container_id, OCI, shared_mounts: [shared] });
    await pod().client.agent.startContainer({ container_id });
    const look = async (line: string) => (await pod().execute(container_id, ["sh", "-c", line])).stdout.toString();
    expect(await look("cd /made/here; cat file sub/file; echo back >back")).toBe("from the source\ndeep\n");
    expect((await pod().execute(source, ["cat", "/srv/back"])).stdout.toString()).toBe("back\n");
    await pod().remove(source);
    expect(await look("cat /made/here/back")).toBe("back\n");
    await pod().remove(container_id);
  });

  it("a missing mount fails CreateContainer in one line and leaves nothing behind", async () => {
    const source = await pod().start(["sleep", "1000"], { Mounts: Mounts(tmpfs("/srv")) });
    const container_id = fresh();
    const OCI = ociSpec(pod().machine.rootfs(container_id), ["sleep", "1000"]);
    const create = (parts: object, options = {}, id = container_id) => {
      const shared = { name: "srv", src_ctr: source, src_path: "/srv", dst_path: "/there", ...parts };
      return pod().client.agent.createContainer({ container_id: id, OCI, shared_mounts: [shared] }, options);
    };
    await expect(create({ src_ctr: "none" })).rejects.toMatchObject({
      kind: "internal",
      message: 'shared mount srv: no container "none" runs',
    });
    const late = create({ src_path: "/bin" }, { timeoutMs: 500 }, fresh());
    await expect(late).rejects.toMatchObject({ kind: "deadline-exceeded" });
    await expect(create({ dst_path: "there" })).rejects.toMatchObject({ kind: "invalid-argument" });
    await expect(create({ dst_path: "/proc/1" })).rejects.toMatchObject({
      message: "shared mount srv: mount on /proc/1: EPERM (operation not permitted), from shared_mounts srv",
    });
    await create({});
    await pod().remove(container_id);
    await pod().remove(source);
  });
}
