import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startGuestMachine } from "../../guest/guest-machine.ts";
import { ociSpec } from "../../scenarios/oci.ts";
import { Pod } from "../../scenarios/pod.ts";
import { answersThroughout } from "../answers-throughout.ts";

const SHARED = "/run/kata-containers/shared/containers";
const MIB = 1 << 20;
/** A container as the attacker of issue 12 had it. */
const NO_CAPABILITIES = { Bounding: [], Effective: [], Permitted: [] };

describe("files of containers in a guest of 512 MiB", () => {
  let machine: Awaited<ReturnType<typeof startGuestMachine>>;
  let pod: Pod;
  beforeAll(async () => {
    machine = await startGuestMachine(512);
    pod = await Pod.open(machine);
  });
  afterAll(() => machine?.[Symbol.asyncDispose]());

  it("an /etc/passwd that is a link to /proc/1/pagemap costs nobody memory: execs without HOME, everybody answers", async () => {
    const rootfs = machine.rootfs("attacker");
    const passwd = join(machine.hostPath(rootfs), "etc/passwd");
    rmSync(passwd);
    symlinkSync("/proc/1/pagemap", passwd);
    const spec = ociSpec(rootfs, ["sleep", "1000"]);
    const Process = { ...spec.Process, Capabilities: NO_CAPABILITIES };
    const Linux = { ...spec.Linux, Resources: { Memory: { Limit: 32 * MIB } } };
    const id = await pod.create(["sleep", "1000"], { Process, Linux }, rootfs);
    await pod.client.agent.startContainer({ container_id: id });
    const before = await machine.shell("pidof node");
    await answersThroughout(pod, async () => {
      for (let count = 0; count < 3; count++) {
        const { stdout } = await pod.execute(id, ["sh", "-c", "echo $HOME"], { Capabilities: NO_CAPABILITIES });
        expect(stdout.toString()).toBe("/\n");
      }
    });
    expect(await machine.shell("pidof node"), "the agent is the same").toBe(before);
    await pod.remove(id);
  });

  it("a link in a volume leads no later container to the agent's state", async () => {
    const mount_point = `${machine.rootfs("pause")}/local/volume`;
    const storage = { driver: "local", source: "local", fstype: "local", options: ["mode=0777"], mount_point };
    const rootfs = machine.rootfs("writer");
    const mounts = (source: string) => [
      ...(ociSpec("/", []).Mounts ?? []),
      { destination: "/vol", source, type: "bind", options: ["rbind"] },
    ];
    const OCI = ociSpec(rootfs, ["sleep", "1000"], { Mounts: mounts(mount_point) });
    await pod.client.agent.createContainer({ container_id: "writer", OCI, storages: [storage] });
    await pod.client.agent.startContainer({ container_id: "writer" });
    for (const target of ["/run/guestd", "../../../../../../../guestd"]) {
      expect((await pod.execute("writer", ["ln", "-sfn", target, "/vol/sub"])).status).toBe(0);
      const reading = pod.create(["ls", "/vol"], { Mounts: mounts(`${mount_point}/sub`) }, rootfs);
      await expect(reading, target).rejects.toThrow(/\/sub.*ELOOP/);
    }
    await pod.remove("writer");
  });

  // Last: the share stays read-only.
  it("settings on a share that is read-only reach a container, and so does a change", async () => {
    const volume = machine.hostPath(`${SHARED}/settings`);
    const publish = (version: number, text: string) => {
      mkdirSync(join(volume, `..${version}`), { recursive: true });
      writeFileSync(join(volume, `..${version}/colour`), text);
      symlinkSync(`..${version}`, join(volume, "..data_tmp"));
      renameSync(join(volume, "..data_tmp"), join(volume, "..data"));
      if (version === 1) symlinkSync("..data/colour", join(volume, "colour"));
      else rmSync(join(volume, `..${version - 1}`), { recursive: true });
    };
    publish(1, "red");
    // What a shim makes on the share, from the host.
    mkdirSync(machine.hostPath(`${SHARED}/watchable`));
    const rootfs = machine.rootfs("reader");
    mkdirSync(join(machine.hostPath(rootfs), "settings"));
    await machine.shell(`mount -o remount,bind,ro ${SHARED}`);
    const mount_point = `${SHARED}/watchable/reader-settings`;
    const storage = { driver: "watchable-bind", source: `${SHARED}/settings`, fstype: "bind", options: ["ro"] };
    const spec = ociSpec(rootfs, ["sleep", "1000"]);
    const bind = { destination: "/settings", source: mount_point, type: "bind", options: ["rbind", "ro"] };
    const OCI = { ...spec, Mounts: [...(spec.Mounts ?? []), bind] };
    const storages = [{ ...storage, mount_point }];
    await pod.client.agent.createContainer({ container_id: "reader", OCI, storages });
    await pod.client.agent.startContainer({ container_id: "reader" });
    // How long it takes is asserted in namespaces (test/agent/read-only-share.test.ts): software emulation is slow.
    const watch = "cat /settings/colour; until grep -q blue /settings/colour; do sleep 0.05; done; echo";
    const exec = await pod.exec("reader", ["sh", "-c", watch], { Env: ["PATH=/bin", "HOME=/"] });
    const seen = pod.finish("reader", exec);
    await machine.shell("sleep 1");
    publish(2, "blue");
    const { stdout } = await seen;
    expect(stdout.toString()).toMatch(/^red\n/);
    await pod.remove("reader");
    await pod.client.close();
  });
});
