import { expect, it } from "vitest";
import { ociSpec } from "./oci.ts";
import type { Pod } from "./pod.ts";

/** Registers the scenario of huge pages as a storage. It is skipped in namespaces. */
export function hugePages(pod: () => Pod): void {
  it("ephemeral: huge pages are reserved for a storage and released with it", async (context) => {
    const { machine, client } = pod();
    if (!machine.real) context.skip("huge pages belong to a whole kernel, and this one is the test machine's");
    const container_id = `huge-${Date.now().toString(36)}`;
    const mount_point = `/run/kata-containers/sandbox/${container_id}`;
    const spec = ociSpec(machine.rootfs(container_id), ["sleep", "1000"]);
    const bind = { destination: "/huge", source: mount_point, type: "bind", options: ["rbind"] };
    const create = (size: string) =>
      client.agent.createContainer({
        container_id,
        storages: [
          {
            ...{ driver: "ephemeral", source: "nodev", fstype: "hugetlbfs", mount_point },
            options: ["pagesize=2M", `size=${size}`],
          },
        ],
        OCI: { ...spec, Mounts: [...(spec.Mounts ?? []), bind] },
      });
    const reserved = async () => /HugePages_Total: +(\d+)/.exec(await machine.shell("cat /proc/meminfo"))?.[1];
    await create("8M");
    await client.agent.startContainer({ container_id });
    expect(await reserved()).toBe("4");
    expect((await pod().execute(container_id, ["grep", "/huge", "/proc/mounts"])).stdout.toString()).toMatch(
      /^nodev \/huge hugetlbfs rw,.*pagesize=2M,size=(8192k|8388608)/,
    );
    await pod().remove(container_id);
    expect(await reserved()).toBe("0");
    await expect(create("64G")).rejects.toMatchObject({
      kind: "resource-exhausted",
      message: expect.stringMatching(
        /^huge pages: 32768 pages of 2097152 bytes requested, the guest has \d+ bytes in total$/,
      ),
    });
    expect(await reserved()).toBe("0");
  });
}
