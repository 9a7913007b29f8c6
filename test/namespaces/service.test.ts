import { execFileSync, spawnSync } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { dirname, join } from "node:path";
import { expect, it } from "vitest";
import { listenVsock, VSOCK_ANY } from "../../agent/kernel/sys/listeners.ts";
import { nativeAddon } from "../../agent/kernel/sys/native-addon.ts";
import { type AgentClient, connect } from "../../host/client/agent-client.ts";
import { openForward } from "../../host/client/streams/forward.ts";
import { describeInNamespaces } from "../init/testing/describe-in-namespaces.ts";
import { buildProbe } from "../scenarios/build-probe.ts";
import { makeBusyboxRootfs } from "../scenarios/busybox-rootfs.ts";
import type { Machine } from "../scenarios/machine.ts";
import { ociSpec } from "../scenarios/oci.ts";
import { Pod } from "../scenarios/pod.ts";
import { readSpans } from "../scenarios/read-spans.ts";
import { makeServicePlace, type ServicePlace } from "./testing/service-agent.ts";

const address = `unix://@guestd-service-${process.pid}`;
const hasVsock = existsSync("/dev/vsock");
const noVsock = hasVsock ? "" : " (skipped: no /dev/vsock on this machine)";
const env = { KATA_AGENT_SERVER_ADDR: address };

function podOf({ directory }: ServicePlace, client: AgentClient): Pod {
  const rootfs = (name: string) => makeBusyboxRootfs(join(directory, name));
  return new Pod({ rootfs, storages: [] } as unknown as Machine, client); // `run` uses nothing else
}

describeInNamespaces("the agent as a service", () => {
  it("runs containers, survives its death, and exits after DestroySandbox", async () => {
    await using place = makeServicePlace();
    const service = place.start(env);
    await service.listening();
    let client = await connect(address);
    await client.agent.createSandbox({ sandbox_id: "pod", hostname: "pod" });
    const { agent_details } = await client.agent.getGuestDetails({});
    expect(agent_details?.init_daemon).toBe(false);
    const { stdout, status } = await podOf(place, client).run(["sh", "-c", "echo out; exit 3"]);
    expect({ stdout: stdout.toString(), status }).toEqual({ stdout: "out\n", status: 3 });

    process.kill(service.children()[0] ?? -1, "SIGKILL");
    await service.listening(2);
    await client.close();
    client = await connect(address);
    expect((await podOf(place, client).run(["echo", "again"])).stdout.toString()).toBe("again\n");

    const { metrics } = await client.agent.getMetrics({});
    expect(metrics).toContain('guestd_rpc_duration_seconds_count{method="CreateContainer"} 1\n');
    expect(metrics).toContain("guestd_agent_restarts 1\n");

    await client.agent.destroySandbox({});
    expect(await service.exited).toEqual({ code: 0, signal: null });
    await client.close();
  });

  it("creates pipes of the configured size", async () => {
    await using place = makeServicePlace();
    const config = join(place.directory, "agent.toml");
    writeFileSync(config, `server_addr = "${address}"\ncontainer_pipe_size = 262_144\n`);
    await place.start({}, ["--config", config]).listening();
    const client = await connect(address);
    await client.agent.createSandbox({ sandbox_id: "pod" });
    const pod = podOf(place, client);
    const rootfs = pod.machine.rootfs("probe");
    copyFileSync(buildProbe(), join(rootfs, "bin/probe"));
    const asked = [0, 1, 2].map((fd) => `pipe_size,${fd},262144`);
    const { stdout } = await pod.run([], ociSpec(rootfs, ["probe", ...asked, "pipe_size,1,65536"]));
    expect(stdout.toString()).toBe("pipe_size ok\npipe_size ok\npipe_size ok\npipe_size 34\n");
    const container_id = await pod.start(["head", "-c", "200000", "/dev/zero"]);
    const { status } = await client.agent.waitProcess({ container_id, exec_id: container_id }, { timeoutMs: 50_000 });
    expect(status, "it exits with its output unread").toBe(0);
    await client.close();
  });

  it("cleans up the remains of a killed service, and its stale socket", async () => {
    await using place = makeServicePlace();
    const path = `unix://${place.directory}/agent.sock`;
    const first = place.start({ KATA_AGENT_SERVER_ADDR: path });
    await first.listening();
    expect(statSync(`${place.directory}/agent.sock`).mode & 0o022, "only its owner may connect").toBe(0);
    const before = await connect(path);
    await before.agent.createSandbox({ sandbox_id: "pod" });
    await podOf(place, before).run(["true"]);
    const [agent = -1] = first.children();
    process.kill(first.pid, "SIGKILL");
    await first.exited;
    await before.close();
    await expect.poll(() => existsSync(`/proc/${agent}`), { message: "the agent outlived init" }).toBe(false);

    const second = place.start({ KATA_AGENT_SERVER_ADDR: path });
    await second.listening();
    const client = await connect(path);
    await client.agent.createSandbox({ sandbox_id: "pod" });
    expect((await podOf(place, client).run(["echo", "new"])).stdout.toString()).toBe("new\n");
    await client.close();
    process.kill(second.pid, "SIGTERM");
    expect(await second.exited).toEqual({ code: 0, signal: null });
    expect(existsSync(join(place.directory, "run/guestd/sandbox.json"))).toBe(false);
  });

  it("starts with the state files of a first start, whatever the last run has used", async () => {
    await using place = makeServicePlace();
    const path = `unix://${place.directory}/agent.sock`;
    const files = () => readdirSync(join(place.directory, "run/guestd")).sort();
    const start = async () => {
      const service = place.start({ KATA_AGENT_SERVER_ADDR: path });
      await service.listening();
      await using client = await connect(path); // an answered call: the start is over
      await client.agent.getGuestDetails({});
      return { service, files: files() };
    };
    const first = await start();
    const server = join(place.directory, "server.sock");
    const listener = createServer((socket) => socket.end()).listen(server);
    const stream = await openForward(`${path}_1028`, { path: server });
    await once(stream.resume().end(), "close");
    listener.close();
    expect(files()).not.toEqual(first.files);
    process.kill(first.service.pid, "SIGKILL");
    await first.service.exited;
    expect((await start()).files).toEqual(first.files);
  });

  it("uses a share's mount point as it is if something is already mounted there", async () => {
    await using place = makeServicePlace();
    const service = place.start(env);
    await service.listening();
    const share = "/run/kata-containers/shared/containers";
    const mount = `mkdir -p ${share} && mount -t tmpfs tmpfs ${share} && echo there > ${share}/file`;
    execFileSync("nsenter", [`--target=${service.pid}`, "--mount", "sh", "-c", mount]);
    const client = await connect(address);
    const storage = { driver: "virtio-fs", source: "kataShared", fstype: "virtiofs", mount_point: `${share}/` };
    await client.agent.createSandbox({ sandbox_id: "pod", storages: [{ ...storage, options: ["nodev"] }] });
    const spec = ociSpec(place.directory, ["cat", "/file"]);
    const shown = { destination: "/file", source: `${share}/file`, type: "bind", options: ["bind", "ro"] };
    const mounts = [...(spec.Mounts ?? []), shown];
    const rootfs = makeBusyboxRootfs(join(place.directory, "share"));
    const { stdout } = await podOf(place, client).run([], { ...spec, Root: { Path: rootfs }, Mounts: mounts });
    expect(stdout.toString()).toBe("there\n");
    await client.close();
  });

  it("refuses a socket on which another service responds, and changes none of that service's state", async () => {
    await using place = makeServicePlace();
    await using other = makeServicePlace();
    const path = `unix://${place.directory}/agent.sock`;
    const first = place.start({ KATA_AGENT_SERVER_ADDR: path });
    await first.listening();
    const client = await connect(path);
    await client.agent.createSandbox({ sandbox_id: "pod" });
    const container_id = await podOf(place, client).start(["sleep", "1000"]);

    const second = other.start({ KATA_AGENT_SERVER_ADDR: path });
    expect(await second.exited).toEqual({ code: 1, signal: null });
    expect(second.console()).toContain(`can't start: listen on ${path}: another process serves there`);

    const again = await connect(path);
    const running = again.agent.signalProcess({ container_id, exec_id: container_id, signal: 0 });
    await expect(running, "the container keeps running").resolves.toBeDefined();
    await client.close();
    await again.close();
  });

  it("refuses a state directory that another service uses, and gets it as soon as that service is killed", async () => {
    await using place = makeServicePlace();
    await using other = makeServicePlace();
    const GUESTD_STATE_DIR = `${place.directory}/run/guestd`;
    const socket = (name: string) => `unix://${place.directory}/${name}.sock`;
    const first = place.start({ KATA_AGENT_SERVER_ADDR: socket("first"), GUESTD_STATE_DIR });
    await first.listening();
    await using client = await connect(socket("first"));
    await client.agent.createSandbox({ sandbox_id: "pod" });
    const container_id = await podOf(place, client).start(["sleep", "1000"]);
    process.kill(first.children()[0] ?? -1, "SIGKILL");
    await first.listening(2); // init holds the lock, so an agent's restart leaves no gap

    const second = other.start({ KATA_AGENT_SERVER_ADDR: socket("second"), GUESTD_STATE_DIR });
    expect(await second.exited).toEqual({ code: 1, signal: null });
    expect(second.console()).toContain(
      `can't start: use ${GUESTD_STATE_DIR}: another service uses it; end that one, or set another GUESTD_STATE_DIR\n`,
    );
    const running = client.agent.signalProcess({ container_id, exec_id: container_id, signal: 0 });
    await expect(running, "the container keeps running").resolves.toBeDefined();

    process.kill(first.pid, "SIGKILL");
    await first.exited;
    const third = place.start({ KATA_AGENT_SERVER_ADDR: socket("first"), GUESTD_STATE_DIR });
    await third.listening();
    expect(third.console()).not.toContain("can't start");
  });

  it.skipIf(!hasVsock)(
    `refuses a vsock port on which another process listens before it discards its state${noVsock}`,
    async () => {
      await using place = makeServicePlace();
      const taken = listenVsock({ cid: VSOCK_ANY, port: VSOCK_ANY }, () => {});
      const vsock = `vsock://-1:${nativeAddon().localPort(taken.fd)}`;
      const left = join(place.directory, "run/guestd/mem-agent.json");
      mkdirSync(dirname(left));
      writeFileSync(left, "{}");
      const service = place.start({ KATA_AGENT_SERVER_ADDR: vsock });
      expect(await service.exited).toEqual({ code: 1, signal: null });
      expect(service.console()).toContain(`can't start: listen on ${vsock}: another process serves there (EADDRINUSE)`);
      expect(existsSync(left)).toBe(true);
      await taken.close();
    },
  );

  const policy = (copyFile: boolean) => `package agent_policy
default CreateSandboxRequest := true
default DestroySandboxRequest := true
default SetPolicyRequest := true
default CopyFileRequest := ${copyFile}
`;
  const file = {
    path: "/run/kata-containers/shared/containers/x",
    file_size: 0,
    file_mode: 0o100644,
    dir_mode: 0o755,
  };
  const denied = { code: 7, message: "CopyFileRequest is blocked by policy: rule CopyFileRequest is false" };

  it.each(["environment", "configuration file"])("applies the first policy that its %s names", async (source) => {
    await using place = makeServicePlace();
    const path = join(place.directory, "policy.rego");
    writeFileSync(path, policy(false));
    const config = join(place.directory, "agent.toml");
    writeFileSync(config, `server_addr = "${address}"\npolicy_file = "${path}"\n`);
    const service =
      source === "environment"
        ? place.start({ ...env, KATA_AGENT_POLICY_FILE: path })
        : place.start({}, ["--config", config]);
    await service.listening();
    const client = await connect(address);
    await client.agent.createSandbox({ sandbox_id: "pod" });
    await expect(client.agent.copyFile(file)).rejects.toMatchObject(denied);
    const noRule = "policy check of ListInterfacesRequest: the policy has no rule of that name";
    await expect(client.agent.listInterfaces({})).rejects.toMatchObject({ code: 13, message: noRule });
    await client.agent.destroySandbox({});
    expect(await service.exited).toEqual({ code: 0, signal: null });
    await client.close();
  });

  it("applies the policy of SetPolicy instead of the first one, also after a restart of the agent", async () => {
    await using place = makeServicePlace();
    const path = join(place.directory, "policy.rego");
    writeFileSync(path, policy(true));
    const service = place.start({ ...env, KATA_AGENT_POLICY_FILE: path });
    await service.listening();
    let client = await connect(address);
    await client.agent.createSandbox({ sandbox_id: "pod" });
    await client.agent.copyFile(file);
    await client.agent.setPolicy({ policy: policy(false) });
    await expect(client.agent.copyFile(file)).rejects.toMatchObject(denied);

    process.kill(service.children()[0] ?? -1, "SIGKILL");
    await service.listening(2);
    await client.close();
    client = await connect(address);
    await expect(client.agent.copyFile(file), "after a restart").rejects.toMatchObject(denied);
    await client.agent.destroySandbox({});
    expect(await service.exited).toEqual({ code: 0, signal: null });
    await client.close();
  });

  it("logs as KATA_AGENT_LOG_LEVEL says, and sends spans if KATA_AGENT_TRACING is set", async () => {
    await using place = makeServicePlace();
    const path = `${place.directory}/agent.sock`;
    const collector = createServer().listen(`${path}_10240`);
    const connections: Socket[] = [];
    collector.on("connection", (socket) => connections.push(socket));
    const live = async (level: string, tracing: string) => {
      const service = place.start({
        KATA_AGENT_SERVER_ADDR: `unix://${path}`,
        KATA_AGENT_LOG_LEVEL: level,
        KATA_AGENT_TRACING: tracing,
      });
      await service.listening();
      const client = await connect(`unix://${path}`);
      await expect(client.agent.startContainer({ container_id: "none" })).rejects.toMatchObject({ code: 13 });
      const { metrics } = await client.agent.getMetrics({});
      expect(metrics.includes("guestd_trace_spans_total")).toBe(tracing === "true");
      const [socket] =
        tracing === "true" && connections.length === 0 ? await once(collector, "connection") : connections;
      const spans = socket && (await readSpans(socket, ({ name }) => name === "grpc.AgentService/StartContainer"));
      socket?.destroy();
      await client.close();
      process.kill(service.pid, "SIGTERM");
      await service.exited;
      const levels = ["DEBG", "INFO"].filter((name) => service.console().includes(`"level":"${name}"`));
      return { levels, service: spans?.at(-1)?.service };
    };
    expect(await live("error", "false")).toEqual({ levels: [], service: undefined });
    expect(await live("debug", "true")).toEqual({ levels: ["DEBG", "INFO"], service: "guestd" });
    collector.close();
  });

  it("prints its version", () => {
    const agent = [process.execPath, join(import.meta.dirname, "../../agent/main.ts")];
    const init = join(import.meta.dirname, "../../build/native/init");
    const { status, stdout } = spawnSync(init, ["--version", "--", ...agent], { encoding: "utf8" });
    expect({ status, stdout }).toEqual({ status: 0, stdout: expect.stringMatching(/^guestd \d+\.\d+\.\d+\n$/) });
  });
});
