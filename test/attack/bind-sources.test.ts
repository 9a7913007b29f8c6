import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { describeInNamespaces } from "../init/testing/describe-in-namespaces.ts";
import { startHostAgent } from "../namespaces/testing/host-agent.ts";
import { ociSpec } from "../scenarios/oci.ts";
import { Pod } from "../scenarios/pod.ts";
import { installedRuntimes } from "./testing/installed-runtimes.ts";

const VOLUME = "/run/kata-containers/shared/containers/pause/rootfs/local/volume";
const TRIES = 10;

describeInNamespaces("a bind source in a volume that containers can write to", () => {
  let machine: Awaited<ReturnType<typeof startHostAgent>>;
  let pod: Pod;
  let attacker: string;
  let rootfs: string;
  beforeAll(async () => {
    machine = await startHostAgent();
    pod = await Pod.open(machine);
    rootfs = machine.rootfs("all");
    const storage = { driver: "local", source: "local", fstype: "local", options: ["mode=0777"], mount_point: VOLUME };
    attacker = "attacker";
    const OCI = ociSpec(rootfs, ["sleep", "1000"], { Mounts: mounts(VOLUME, "/vol") });
    await pod.client.agent.createContainer({ container_id: attacker, OCI, storages: [storage] });
    await pod.client.agent.startContainer({ container_id: attacker });
  });
  afterAll(async () => {
    await pod?.client.close();
    await machine?.[Symbol.asyncDispose]();
  });

  const mounts = (source: string, destination = "/seen", options: readonly string[] = ["rbind"]) => [
    ...(ociSpec("/", []).Mounts ?? []),
    { destination, source, type: "bind", options },
  ];
  const inside = async (line: string) => {
    const { stdout, stderr, status } = await pod.execute(attacker, ["sh", "-c", line]);
    if (status !== 0) throw new Error(`${line}: ${stderr}`);
    return stdout.toString();
  };
  const created = (source: string, Annotations = {}) =>
    pod.create(["ls", "/seen"], { Mounts: mounts(source), Annotations }, rootfs);

  describe.each(["", ...installedRuntimes])("for containers created by %j", (runtime) => {
    const annotations = runtime === "" ? {} : { "guestd.runtime": runtime };

    it.each([
      ["an absolute link", "ln -sfn /run/guestd /vol/sub", "sub"],
      ["a relative link", "ln -sfn ../../../../../../../guestd /vol/sub", "sub"],
      ["a path through a link", "ln -sfn / /vol/sub", "sub/run/guestd"],
      ["a link through /proc", "ln -sfn /proc/1/root/run/guestd /vol/sub", "sub"],
      ["a link within the volume", "mkdir -p /vol/real && ln -sfn real /vol/sub", "sub"],
    ])("is refused if it is %s", async (_, line, source) => {
      await inside(`rm -rf /vol/*; ${line}`);
      await expect(created(`${VOLUME}/${source}`, annotations)).rejects.toThrow(/\/sub.*ELOOP/);
    });

    it("keeps the mounts below a shared source when the container is removed", async () => {
      const shared = "/run/attack-shared";
      await machine.shell(`mkdir -p ${shared} && mount -t tmpfs outer ${shared} && mount --make-rshared ${shared}
        mkdir ${shared}/below && mount -t tmpfs inner ${shared}/below`);
      try {
        const made = await created(shared, annotations);
        await pod.client.agent.startContainer({ container_id: made });
        await pod.finish(made, made);
        await pod.remove(made);
        expect(await machine.shell(`grep -c ' ${shared}' /proc/mounts`)).toBe("2\n");
      } finally {
        await machine.shell(`umount -R ${shared} && rmdir ${shared}`);
      }
    });

    it("shows only the volume while a container keeps swapping it for a link", async () => {
      await inside("rm -rf /vol/*; mkdir /vol/real; touch /vol/real/own; ln -s /run/guestd /vol/link");
      const moves = "mv -T real sub; mv -T sub real; mv -T link sub; mv -T sub link";
      const loop = `cd /vol; until [ -e stop ]; do ${moves}; done`; // killed, it would leave a zombie: sleep reaps none
      const swapper = await pod.exec(attacker, ["sh", "-c", loop]);
      const seen = new Set<string>();
      for (let count = 0; count < TRIES; count++) {
        const made = await created(`${VOLUME}/sub`, annotations).catch((error: Error) => error);
        if (made instanceof Error) {
          seen.add(/ELOOP|ENOENT|already|EEXIST/.exec(made.message)?.[0] ?? made.message);
          continue;
        }
        await pod.client.agent.startContainer({ container_id: made });
        seen.add((await pod.finish(made, made)).stdout.toString());
        await pod.remove(made);
      }
      await inside("touch /vol/stop");
      await pod.client.agent.waitProcess({ container_id: attacker, exec_id: swapper });
      const lawful = ["own\n", "", "ELOOP", "ENOENT", "EEXIST"];
      expect([...seen].filter((one) => !lawful.includes(one))).toEqual([]);
    });
  });

  it("is refused in a container with mapped ids, and as the source of a storage", async () => {
    await inside("rm -rf /vol/*; ln -sfn /run/guestd /vol/sub");
    const ids = [{ ContainerID: 0, HostID: 100_000, Size: 65_536 }];
    const spec = ociSpec(rootfs, ["true"], { Mounts: mounts(`${VOLUME}/sub`) });
    const Linux = {
      ...spec.Linux,
      Namespaces: [...(spec.Linux?.Namespaces ?? []), { Type: "user" }],
      UIDMappings: ids,
      GIDMappings: ids,
    };
    await expect(pod.client.agent.createContainer({ container_id: "mapped", OCI: { ...spec, Linux } })).rejects.toThrow(
      /ELOOP/,
    );
    const storages = ["bind", "watchable-bind"].map((driver) => ({
      ...{ driver, source: `${VOLUME}/sub`, fstype: "bind", options: [], mount_point: `/run/shown-${driver}` },
    }));
    for (const storage of storages) {
      const OCI = ociSpec(rootfs, ["true"]);
      const creating = pod.client.agent.createContainer({ container_id: "stored", OCI, storages: [storage] });
      await expect(creating, storage.driver).rejects.toThrow(/ELOOP/);
    }
  });

  it("is not created through a link if it is missing", async () => {
    await inside("rm -rf /vol/*; ln -sfn /run/guestd /vol/sub");
    await expect(created(`${VOLUME}/sub/made`)).rejects.toThrow(/\/sub.*(ELOOP|ENOENT)/);
    expect(await machine.shell("ls -d /run/guestd/made 2>/dev/null || echo none")).toBe("none\n");
    const id = await created(`${VOLUME}/one/two`);
    await pod.remove(id);
    expect(await inside("ls -d /vol/one/two")).toBe("/vol/one/two\n");
  });

  it("is followed through the guest's own links: /var/run, /etc", async () => {
    await inside("rm -rf /vol/*; touch /vol/own");
    await machine.shell("[ -L /var/run ]");
    const id = await created(VOLUME.replace("/run/", "/var/run/"));
    await pod.client.agent.startContainer({ container_id: id });
    expect((await pod.finish(id, id)).stdout.toString()).toBe("own\n");
    await pod.remove(id);
  });
});
