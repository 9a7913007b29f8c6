import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { type AgentClient, connect } from "../../host/client/agent-client.ts";
import { digestOf } from "../../image/digest.ts";
import { thisPlatform } from "../../image/platform.ts";
import { startRegistry } from "../../image/registry/testing/registry.ts";
import { startSecureRegistry } from "../../image/registry/testing/secure-registry.ts";
import { layoutEntries, packTar } from "../../image/write-layout.ts";
import { describeInNamespaces } from "../init/testing/describe-in-namespaces.ts";
import { makeBusyboxRootfs } from "../scenarios/busybox-rootfs.ts";
import type { Machine } from "../scenarios/machine.ts";
import { ociSpec } from "../scenarios/oci.ts";
import { Pod } from "../scenarios/pod.ts";
import { makeServicePlace, type ServicePlace } from "./testing/service-agent.ts";

const address = `unix://@guestd-options-${process.pid}`;
const HOST = "registry.test";
const ROOT = "/run/kata-containers/pulled/rootfs";

function pull(client: AgentClient, source: string): Promise<unknown> {
  const metadata = { "io.kubernetes.cri.container-type": "container" };
  const storage = {
    ...{ driver: "image_guest_pull", source, fstype: "overlay", mount_point: ROOT },
    driver_options: [`image_guest_pull=${JSON.stringify({ metadata })}`],
  };
  return client.agent.createContainer({
    container_id: "pulled",
    storages: [storage],
    OCI: ociSpec(ROOT, ["/bin/busybox", "cat", "/etc/hello"]),
  });
}

/** Starts an agent with these lines in its configuration. Returns a client of it. */
async function startWith(place: ServicePlace, lines: readonly string[]): Promise<AgentClient> {
  const config = join(place.directory, "agent.toml");
  writeFileSync(config, `${[`server_addr = "${address}"`, ...lines].join("\n")}\n`);
  await place.start({}, ["--config", config]).listening();
  return connect(address);
}

/** Returns the value that a container gets from a CDI device requested by its environment. */
async function valueFromCdi({ directory }: ServicePlace, client: AgentClient): Promise<string> {
  const devices = [{ name: "0", containerEdits: { env: ["FROM_CDI=yes"] } }];
  mkdirSync(join(directory, "run/cdi"));
  writeFileSync(
    join(directory, "run/cdi/thing.json"),
    JSON.stringify({ cdiVersion: "0.6.0", kind: "test.guestd/thing", devices }),
  );
  const rootfs = (name: string) => makeBusyboxRootfs(join(directory, name));
  const pod = new Pod({ rootfs } as unknown as Machine, client); // `run` uses nothing else
  const { Process } = ociSpec("/", ["sh", "-c", "echo [$FROM_CDI]"]);
  const Env = ["PATH=/bin", "VISIBLE_CDI_DEVICES=test.guestd/thing=0"];
  return (await pod.run([], { Process: { ...Process, Env } })).stdout.toString();
}

/** Returns the error of a call, and how long it took in ms. */
async function refusal(call: () => Promise<unknown>): Promise<{ ms: number; error: unknown }> {
  const begun = performance.now();
  const error = await call().then(
    () => undefined,
    (refused: unknown) => refused,
  );
  return { ms: performance.now() - begun, error };
}

describeInNamespaces("an agent with options", () => {
  it("waits as long as agent.image_pull_timeout and agent.cdi_timeout say, not longer", async () => {
    await using place = makeServicePlace();
    await using registry = await startRegistry();
    registry.handler = () => true; // never responds
    const config = join(place.directory, "agent.toml");
    writeFileSync(config, `server_addr = "${address}"\nimage_pull_timeout = 1\ncdi_timeout = 2\n`);
    await place.start({}, ["--config", config]).listening();
    await using client = await connect(address);
    await client.agent.createSandbox({ sandbox_id: "pod" });

    const pulled = await refusal(() => pull(client, `${registry.host}/test/image:1`));
    expect(pulled.error).toMatchObject({
      kind: "deadline-exceeded",
      message: `pull image "${registry.host}/test/image:1": not finished within 1 s (agent.image_pull_timeout)`,
    });
    expect(pulled.ms).toBeGreaterThan(900);
    expect(pulled.ms).toBeLessThan(25_000);
    expect(registry.requests).toEqual(["GET /v2/test/image/manifests/1"]);

    const Annotations = { "cdi.k8s.io/a": "test.guestd/never=x" };
    const create = () =>
      client.agent.createContainer({ container_id: "asks", OCI: ociSpec("/none", ["true"], { Annotations }) });
    const waited = await refusal(create);
    expect(waited.error).toMatchObject({
      kind: "internal",
      message: expect.stringMatching(/^CDI device test\.guestd\/never=x: .*; waited for 2000 ms$/),
    });
    expect(waited.ms).toBeGreaterThan(1900);
    expect(waited.ms).toBeLessThan(25_000);
  });

  it("follows agent.hotplug_timeout, agent.deny_calls and agent.visible_cdi_devices", async () => {
    await using place = makeServicePlace();
    const denied = 'deny_calls = "ListRoutes,ListInterfacesRequest"';
    await using client = await startWith(place, ["hotplug_timeout = 1", denied, "visible_cdi_devices = true"]);
    await client.agent.createSandbox({ sandbox_id: "pod" });

    const storages = [{ driver: "blk", source: "/dev/vdnever", fstype: "ext4", mount_point: "/run/never" }];
    const OCI = ociSpec("/none", ["true"]);
    const missed = await refusal(() => client.agent.createContainer({ container_id: "asks", storages, OCI }));
    expect(missed.error).toMatchObject({
      message: expect.stringMatching(/\/dev\/vdnever: still missing after 1000 ms; /),
    });
    expect(missed.ms).toBeGreaterThan(900);

    for (const [call, name] of [
      ["listRoutes", "ListRoutes"],
      ["listInterfaces", "ListInterfaces"],
    ] as const) {
      await expect(client.agent[call]({})).rejects.toMatchObject({
        code: 7,
        message: `${name}Request is blocked by policy: agent.deny_calls names it`,
      });
    }
    expect(await valueFromCdi(place, client)).toBe("[yes]\n");
  });

  it("follows agent.allow_calls, and ignores a container's variable without agent.visible_cdi_devices", async () => {
    await using place = makeServicePlace();
    const allowed = ["CreateSandbox", "CreateContainer", "StartContainer", "ReadStreamRequest", "WaitProcess"];
    const calls = [...allowed, "RemoveContainer"].join();
    await using client = await startWith(place, [`allow_calls = "${calls}"`]);
    await client.agent.createSandbox({ sandbox_id: "pod" });
    await expect(client.agent.listRoutes({})).rejects.toMatchObject({
      code: 7,
      message: "ListRoutesRequest is blocked by policy: agent.allow_calls does not name it",
    });
    expect(await valueFromCdi(place, client)).toBe("[]\n");
  });

  it.each([
    ["pulls by https through agent.https_proxy", "", true],
    ["pulls from the hosts of agent.no_proxy without the proxy", `other.test,${HOST}`, false],
  ])("%s", async (_, noProxy, through) => {
    await using place = makeServicePlace();
    await using registry = await startSecureRegistry(HOST);
    const busybox = readFileSync(join(makeBusyboxRootfs(join(place.directory, "rootfs")), "bin/busybox"));
    const layer = await packTar([
      { name: "bin/busybox", content: busybox, mode: 0o755 },
      ...["dev", "proc", "sys"].map((name) => ({ name, type: "directory" as const, mode: 0o755 })),
      { name: "etc/hello", content: "by https" },
    ]);
    const platform = thisPlatform();
    for (const { name, content = "" } of layoutEntries({ name: "test:1", platform, config: {}, layers: [layer] })) {
      const bytes = Buffer.from(content);
      if (!name.startsWith("blobs/")) continue;
      registry.files.set(`/v2/test/image/blobs/${digestOf(bytes)}`, bytes);
      if (String(bytes).includes("image.manifest.v1")) registry.files.set("/v2/test/image/manifests/1", bytes);
    }
    const config = join(place.directory, "agent.toml");
    const lines = [`server_addr = "${address}"`, `https_proxy = "${registry.proxy}"`, `no_proxy = "${noProxy}"`];
    writeFileSync(config, `${lines.join("\n")}\n`);
    const certificate = join(place.directory, "certificate.pem");
    writeFileSync(certificate, registry.certificate);
    const service = place.start({}, ["--config", config], ["/usr/bin/env", `NODE_EXTRA_CA_CERTS=${certificate}`]);
    await service.listening();
    await using client = await connect(address);
    await client.agent.createSandbox({ sandbox_id: "pod" });

    const { error } = await refusal(() => pull(client, `${HOST}/test/image:1`));
    const image = `pull image "${HOST}/test/image:1"`;
    if (through) {
      expect(error).toBeUndefined();
      expect(new Set(registry.asked)).toEqual(new Set([`${HOST}:443`]));
      await client.agent.startContainer({ container_id: "pulled" });
      const { stdout } = await new Pod({} as Machine, client).finish("pulled", "pulled");
      expect(stdout.toString()).toBe("by https");
      await client.agent.removeContainer({ container_id: "pulled" });
    } else {
      expect(error).toMatchObject({
        message: expect.stringMatching(
          new RegExp(`^${image}: GET https://${HOST}/v2/test/image/manifests/1: getaddrinfo`),
        ),
      });
      expect(registry.asked).toEqual([]);
    }
  });
});
