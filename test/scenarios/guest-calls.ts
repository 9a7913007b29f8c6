import { expect, it } from "vitest";
import { ociSpec } from "./oci.ts";
import type { Pod } from "./pod.ts";

const SHM = "/run/kata-containers/sandbox/shm";
const BYTES = 1;
const INODES = 2;

/** What a host asks of the guest as a whole. */
export function guestCallScenarios(pod: () => Pod): void {
  const agent = () => pod().client.agent;

  it("gives bytes and inodes of a volume", async () => {
    const { usage, volume_condition } = await agent().getVolumeStats({ volume_guest_path: SHM });
    expect(volume_condition).toMatchObject({ abnormal: false, message: "OK" });
    expect(usage.map(({ unit }) => unit)).toEqual([BYTES, INODES]);
    expect(usage[0]?.total).toBe(67_108_864);
    await pod().machine.shell(`dd if=/dev/zero of=${SHM}/some bs=4096 count=4 2>/dev/null`);
    const after = await agent().getVolumeStats({ volume_guest_path: SHM });
    const grown = after.usage.map(({ used }, index) => used - (usage[index]?.used ?? 0));
    expect(grown).toEqual([4 * 4096, 1]);
    await pod().machine.shell(`rm ${SHM}/some`);
    await expect(agent().getVolumeStats({ volume_guest_path: "/none" })).rejects.toMatchObject({
      kind: "internal",
      message: expect.stringMatching(/statfs \/none: ENOENT/),
    });
  });

  it("gives an ephemeral storage of a container a new size", async () => {
    const mount_point = `/run/kata-containers/sandbox/ephemeral/e${process.pid}`;
    const storage = { driver: "ephemeral", source: "tmpfs", fstype: "tmpfs", mount_point };
    const id = `ephemeral-${process.pid}-${Date.now()}`;
    const { Mounts = [] } = ociSpec("/", []);
    const bind = { destination: "/cache", source: mount_point, type: "bind", options: ["rbind", "rw"] };
    await agent().createContainer({
      container_id: id,
      storages: [{ ...storage, options: ["size=1048576"] }],
      OCI: ociSpec(pod().machine.rootfs(id), ["sleep", "1000"], { Mounts: [...(Mounts ?? []), bind] }),
    });
    await agent().startContainer({ container_id: id });
    await agent().updateEphemeralMounts({ storages: [{ ...storage, options: ["remount", "size=8388608"] }] });
    const { stdout } = await pod().execute(id, ["df", "-k", "/cache"]);
    expect(stdout.toString()).toMatch(/^tmpfs +8192 /m);
    await agent().updateEphemeralMounts({ storages: [] });
    await expect(
      agent().updateEphemeralMounts({ storages: [{ ...storage, driver: "local", options: ["size=1"] }] }),
    ).rejects.toMatchObject({ kind: "invalid-argument", message: expect.stringContaining('"local", not ephemeral') });
    await pod().remove(id);
    expect(await pod().machine.shell(`ls -d ${mount_point} 2>&1 || true`)).toContain("No such file");
  });

  it("gives what a container left as its last message, after its end as well", async () => {
    const Annotations = { "io.kubernetes.container.terminationMessagePath": "/message" };
    const id = await pod().start(["sh", "-c", "echo out of beans >/message; exit 3"], { Annotations });
    await pod().finish(id, id);
    const request = { container_id: id, log_type: "termination_log" };
    expect(await agent().getDiagnosticData(request)).toEqual({ data: "out of beans\n" });
    await expect(agent().getDiagnosticData({ ...request, log_type: "dmesg" })).rejects.toMatchObject({
      kind: "invalid-argument",
    });
    await pod().remove(id);
    await expect(agent().getDiagnosticData(request)).rejects.toMatchObject({ kind: "invalid-argument" });
  });

  it("takes the calls after a start with nothing to bring online, and entropy", async () => {
    await agent().onlineCPUMem({});
    await agent().onlineCPUMem({ nb_cpus: 1, cpu_only: true });
    await agent().memHotplugByProbe({});
    await agent().removeStaleVirtiofsShareMounts({});
    await agent().reseedRandomDev({ data: Buffer.alloc(256, "entropy") });
  });

  it("refuses what can't be, in one line", async () => {
    const refused: [attempt: () => Promise<unknown>, kind: string, line: RegExp][] = [
      [() => agent().reseedRandomDev({}), "invalid-argument", /reseed random: no data$/],
      [() => agent().setGuestDateTime({ Sec: -1 }), "invalid-argument", /-1 s and 0 µs are no time till 2106$/],
      [() => agent().setGuestDateTime({ Sec: 1, Usec: 1_000_000 }), "invalid-argument", /are no time till 2106$/],
      [() => agent().addSwap({}), "invalid-argument", /add swap: no PCI path$/],
      [() => agent().addSwap({ PCIPath: [4096] }), "invalid-argument", /PCI path "1000": "1000" isn't a slot/],
      [() => agent().addSwapPath({ path: "swap" }), "invalid-argument", /path "swap" is not an absolute path$/],
      [() => agent().addSwapPath({ path: "/none" }), "internal", /swapon \/none: ENOENT/],
      [
        () => agent().resizeVolume({ volume_guest_path: SHM }),
        "unimplemented",
        /tmpfs is not supported, use ext4 or xfs$/,
      ],
      [() => agent().resizeVolume({ volume_guest_path: "/none" }), "invalid-argument", /it is not a mount point$/],
      [
        () => agent().memHotplugByProbe({ memHotplugProbeAddr: [2 ** 63] }),
        "invalid-argument",
        /is larger than 2\^53 - 1$/,
      ],
      [() => agent().memAgentMemcgSet({ disabled: true }), "internal", /mem-agent is disabled$/],
      [() => agent().memAgentCompactSet({ disabled: true }), "internal", /mem-agent is disabled$/],
    ];
    for (const [attempt, kind, line] of refused) {
      await expect(attempt()).rejects.toMatchObject({ kind, message: expect.stringMatching(line) });
    }
  });
}
