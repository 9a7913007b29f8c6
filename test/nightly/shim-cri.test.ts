import { execFile, execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { thisPlatform } from "../../image/platform.ts";
import { packTar, writeLayout } from "../../image/write-layout.ts";
import { isRoot } from "../../lib/is-root.ts";
import { namesIn } from "../../lib/names-in.ts";
import { ownContainerd } from "../vm/testing/own-containerd.ts";
import { goTool } from "./testing/go-tool.ts";

/** Folder of Debian's containernetworking-plugins. */
const PLUGINS = "/usr/lib/cni";
const isThere = isRoot() && existsSync(PLUGINS);
const POLL = { interval: 200, timeout: 60_000 };
const IMAGES = { busybox: "docker.io/library/busybox:1", pause: "docker.io/library/pause:1" };

describe.skipIf(!isThere)("Kubernetes' CRI with guestd's shim (root, Debian's containernetworking-plugins)", () => {
  const network = `shim${process.pid}-c`;
  // The plug-in's bridge is made in a namespace of its own, in which containerd is started.
  beforeAll(() => void execFileSync("ip", ["netns", "add", network]));
  afterAll(() => void execFileSync("ip", ["netns", "del", network]));
  const { directory, socket, ctr, startDaemon, endDaemon } = ownContainerd("shim-cri-", {
    namespace: "k8s.io",
    network: `/run/netns/${network}`,
    cri: (directory) => [
      `sandbox_image = "${IMAGES.pause}"`,
      'containerd.snapshotter = "native"',
      'containerd.default_runtime_name = "guestd"',
      'containerd.runtimes.guestd.runtime_type = "io.containerd.guestd.v2"',
      `cni.bin_dir = "${PLUGINS}"`,
      `cni.conf_dir = "${directory}"`,
    ],
  });
  let crictl: string;
  let pod: string;

  async function cri(...args: readonly string[]): Promise<string> {
    const options = ["--config", join(directory, "crictl.yaml")];
    return (await promisify(execFile)(crictl, [...options, ...args])).stdout.trim();
  }
  const write = (name: string, content: object) => {
    const path = join(directory, name);
    writeFileSync(path, JSON.stringify(content));
    return path;
  };
  /** Creates and starts a container of the pod, and returns its id. */
  async function start(name: string, script: string, more: object = {}): Promise<string> {
    const image = { image: IMAGES.busybox };
    const container = { metadata: { name }, image, command: ["sh", "-c", script], log_path: `${name}.log`, ...more };
    const id = await cri("create", pod, write(`${name}.json`, container), join(directory, "pod.json"));
    await cri("start", id);
    return id;
  }
  const outside = async (url: string) => {
    const args = ["netns", "exec", network, "busybox", "wget", "-q", "-O", "-", url];
    return (await promisify(execFile)("ip", args).catch(() => ({ stdout: "" }))).stdout;
  };

  beforeAll(async () => {
    crictl = await goTool("sigs.k8s.io/cri-tools/cmd/crictl", "v1.37.0");
    write("crictl.yaml", { "runtime-endpoint": `unix://${socket}`, "image-endpoint": `unix://${socket}`, timeout: 60 });
    const ipam = { type: "host-local", ranges: [[{ subnet: "10.88.77.0/24" }]], routes: [{ dst: "0.0.0.0/0" }] };
    const bridge = {
      type: "bridge",
      bridge: "cni0",
      isGateway: true,
      ipam: { ...ipam, dataDir: join(directory, "ipam") },
    };
    write("10-bridge.conflist", { cniVersion: "0.4.0", name: "bridge", plugins: [bridge] });
    const folders = ["bin", "dev", "etc", "proc", "run", "sys", "tmp"];
    const busybox = { name: "bin/busybox", mode: 0o755, content: readFileSync("/bin/busybox") };
    const layer = await packTar([
      ...folders.map((name) => ({ name: `${name}/`, type: "directory" as const, mode: 0o755 })),
      busybox,
    ]);
    const config = { Cmd: ["/bin/busybox", "sleep", "1000000"] };
    const layout = join(directory, "pause.tar");
    await writeLayout(layout, { name: "pause", platform: thisPlatform(), config, layers: [layer] });
    for (const [name, reference] of Object.entries(IMAGES)) {
      const options = ["--namespace", "k8s.io", "image"];
      await ctr(...options, "import", "--snapshotter", "native", join(directory, `${name}.tar`));
      const imported = (await ctr(...options, "ls", "-q")).stdout.split("\n").find((line) => line.endsWith(`:${name}`));
      await ctr(...options, "tag", imported ?? "", reference);
      await ctr(...options, "rm", imported ?? "");
    }
    // Its CRI plug-in learns of removed names when it starts.
    await endDaemon();
    await startDaemon();
    mkdirSync(join(directory, "config"));
    writeFileSync(join(directory, "config/key"), "value\n");
    const metadata = { name: "pod", namespace: "default", uid: "1", attempt: 1 };
    const limits = { linux: { resources: { memory_limit_in_bytes: 64 << 20 } } };
    const names = {
      hostname: "podhost",
      log_directory: join(directory, "logs"),
      dns_config: { servers: ["10.9.9.9"] },
    };
    pod = await cri("runp", write("pod.json", { metadata, ...names, ...limits }));
  });

  it("runs a pod of two containers: one guest, one network, one host name, logs, volumes, exec", async () => {
    const server = "mkdir /www; echo from-pod >/www/index.html; exec httpd -f -h /www";
    const mounts = [{ container_path: "/config", host_path: join(directory, "config"), readonly: true }];
    const web = await start("web", server, { mounts });
    const client =
      "until wget -q -O - http://127.0.0.1/; do sleep 0.1; done; hostname; cat /etc/resolv.conf; exec sleep 1000";
    const other = await start("other", client);
    await expect.poll(() => cri("logs", other), POLL).toBe("from-pod\npodhost\nnameserver 10.9.9.9");
    expect(await cri("exec", "--sync", web, "cat", "/config/key")).toBe("value");
    expect(await cri("exec", "--sync", web, "hostname")).toBe("podhost");
    const address = await cri("inspectp", "--output", "go-template", "--template", "{{.status.network.ip}}", pod);
    expect(address).toMatch(/^10\.88\.77\.\d+$/);
    expect(await outside(`http://${address}/`)).toBe("from-pod\n");
    expect(await cri("stats", "--output", "table", web)).toMatch(/web +\d/);
    await cri("stop", other);
    expect(await cri("ps", "--all", "--state", "exited", "--quiet")).toBe(other);
  });

  it("removes the pod, and leaves nothing of it", async () => {
    await cri("stopp", pod);
    await cri("rmp", pod);
    expect(await cri("pods", "--quiet")).toBe("");
    expect(namesIn(join(directory, "state/io.containerd.runtime.v2.task/k8s.io"))).toEqual([]);
  });
});
