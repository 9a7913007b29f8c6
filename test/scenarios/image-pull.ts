import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { Init } from "../../proto/codec.ts";
import type { grpc } from "../../proto/gen/messages.js";
import { type CurrentPod, reconnect } from "./current-pod.ts";
import { type ImageRegistry, startImageRegistry } from "./image-registry.ts";
import { ociSpec } from "./oci.ts";

const SIGTERM = 15;

/**
 * Scenarios of containers whose image the guest pulls itself, as hosts request it. The pod's client is replaced after a
 * kill.
 */
export function imagePullScenarios(current: CurrentPod): void {
  let registry: ImageRegistry;
  let count = 0;
  beforeAll(async () => {
    registry = await startImageRegistry(current.pod, 5000);
  });
  afterAll(() => registry?.close(current.pod));

  const shell = (line: string) => current.pod.machine.shell(line);
  const rootOf = (id: string) => `/run/kata-containers/${id}/rootfs`;
  const left = (id: string) =>
    shell(
      `ls -d /run/kata-containers/image /run/kata-containers/${id} 2>/dev/null; grep ${id} /proc/self/mountinfo || echo none`,
    );

  /** Creates and starts a container of the image. `parts` override the storage that hosts send. */
  async function start(args: readonly string[], parts: Init<grpc.Storage> = {}, type = "container"): Promise<string> {
    const id = `pull-${process.pid}-${Date.now().toString(36)}-${++count}`;
    const metadata = { "io.kubernetes.cri.container-type": type, "io.kubernetes.cri.sandbox-id": "pod" };
    const storage = {
      ...{ driver: "image_guest_pull", source: `${registry.host}/test/image:1`, fstype: "overlay" },
      ...{ driver_options: [`image_guest_pull=${JSON.stringify({ metadata })}`], mount_point: rootOf(id) },
    };
    const OCI = ociSpec(rootOf(id), args);
    const { agent } = current.pod.client;
    await agent
      .createContainer({ container_id: id, OCI, storages: [{ ...storage, ...parts }] })
      .catch(async (error) => {
        expect(await left(id)).toBe("none\n");
        throw error;
      });
    await agent.startContainer({ container_id: id });
    return id;
  }

  const LOOK =
    "cat /etc/gone; stat -c '%u %g %a' /etc/owned /bin/busybox; stat -c %s /etc/hello; grep ' / ' /proc/self/mounts; echo new >/etc/new";

  it("a container runs from a registry on the guest's loopback and leaves nothing behind", async () => {
    const id = await start(["sh", "-c", LOOK]);
    const { stdout, stderr, status } = await current.pod.finish(id, id);
    expect(stderr.toString()).toMatch(/^cat: .*etc\/gone.*No such file/);
    expect(stdout.toString()).toMatch(/^1000 100 640\n0 0 4755\n100006\n\S+ \/ \S+ rw,/);
    expect(stdout.toString()).not.toMatch(/nosuid|nodev/);
    expect(status).toBe(0);
    await current.pod.remove(id);
    expect(await left(id)).toBe("none\n");
  });

  it("a container runs from an image layout in the guest", async () => {
    const layout = [`layout=${registry.layout}`];
    const id = await start(["sleep", "1000"], { source: "docker.io/library/test:1", options: [...layout, "nosuid"] });
    const { stdout } = await current.pod.execute(id, ["sh", "-c", "cat /etc/hello; grep ' / ' /proc/self/mounts"]);
    expect(stdout.toString()).toMatch(/^upper x+\S+ \/ \S+ rw,nosuid/);
    await current.pod.remove(id);
    expect(await left(id)).toBe("none\n");
    await expect(start(["sh"], { source: "other:2", options: layout })).rejects.toMatchObject({
      message: expect.stringMatching(
        /^pull image "other:2" from \S+: read image: no image for linux\/\w+ named other:2; available: test:1 for /,
      ),
    });
  });

  it("CreateContainer gives the reason in one line if the image can't be pulled, and leaves nothing behind", async () => {
    const { host } = registry;
    await expect(start(["sh"], { source: `${host}/test/image:2` })).rejects.toMatchObject({
      kind: "not-found",
      message: `pull image "${host}/test/image:2": GET http://${host}/v2/test/image/manifests/2: 404`,
    });
    await expect(start(["sh"], { source: "Not an image" })).rejects.toMatchObject({ kind: "invalid-argument" });
    await expect(start(["sh"], { driver_options: ["image_guest_pull={}"] })).rejects.toMatchObject({
      message: 'image_guest_pull storage: driver option image_guest_pull has no object "metadata"',
    });
  });

  it("the pause container runs from the guest's own image, if it has one", async () => {
    if (!current.pod.machine.real) {
      await expect(start(["/pause"], { source: "pause" }, "sandbox")).rejects.toMatchObject({
        kind: "failed-precondition",
        message: expect.stringMatching(/^pause image: the guest's image has no directory \/pause_bundle\/rootfs; /),
      });
      return;
    }
    const id = await start(["/pause"], { source: "pause" }, "sandbox");
    const { agent } = current.pod.client;
    await agent.signalProcess({ container_id: id, exec_id: id, signal: SIGTERM });
    expect((await agent.waitProcess({ container_id: id, exec_id: id })).status).toBe(0);
    await current.pod.remove(id);
    expect(await left(id)).toBe("none\n");
  });

  it("after the agent's death complete images are used and removed, and a partial one is dropped", async () => {
    const id = await start(["cat", "/etc/hello"]);
    registry.stall(true);
    // Over ttRPC the next agent continues the call; over gRPC it ends with its connection.
    const cutOff = start(["sh"]).catch(() => undefined);
    for (let tries = 0; !registry.halfSent() && tries < 600; tries++) await sleep(50);
    const images = () =>
      shell("ls /run/kata-containers/image | wc -l; ls /run/kata-containers/image/*/rootfs/bin/busybox | wc -l");
    expect(await images()).toBe("2\n2\n");
    await current.pod.machine.killAgent();
    registry.stall(false);
    const wentOn = await cutOff;
    await reconnect(current);
    expect(wentOn !== undefined).toBe(current.options?.protocol === "ttrpc");
    if (wentOn !== undefined) await current.pod.remove(wentOn);
    expect((await current.pod.finish(id, id)).stdout.toString()).toMatch(/^upper x+$/);
    expect(await images()).toBe("1\n1\n");
    const again = await start(["cat", "/etc/hello"]);
    expect((await current.pod.finish(again, again)).stdout.toString()).toMatch(/^upper x+$/);
    for (const each of [id, again]) await current.pod.remove(each);
    expect(await left(id)).toBe("none\n");
  });
}
