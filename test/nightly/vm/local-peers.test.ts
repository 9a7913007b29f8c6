import { copyFileSync, existsSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { dial } from "../../../host/client/dial.ts";
import { cachedKernels } from "../../../host/vm/paths.ts";
import { ttrpc } from "../../../proto/gen/messages.js";
import { HELD_UP_MS } from "../../attack/testing/held-up-ms.ts";
import { ociSpec } from "../../scenarios/oci.ts";
import { Pod } from "../../scenarios/pod.ts";
import { compileC } from "../../testing/compile-c.ts";
import { startGuestMachine } from "../../vm/testing/guest-machine.ts";

const module = join(cachedKernels()[0]?.modules ?? "/", "kernel/net/vmw_vsock/vsock_loopback.ko");
const reason = existsSync(module) ? "" : ` (skipped: no ${module})`;

/** With the module vsock_loopback, which our image lacks, a guest's processes can reach the guest's own ports. */
describe(`a container that dials the guest's own vsock ports${reason}`, { skip: reason !== "" }, () => {
  let machine: Awaited<ReturnType<typeof startGuestMachine>>;
  let pod: Pod;
  let rootfs: string;

  beforeAll(async () => {
    machine = await startGuestMachine(512, { kernelArgs: ["agent.passfd_listener_port=1027"] });
    pod = await Pod.open(machine);
    rootfs = machine.rootfs("dialer");
    const inHost = machine.hostPath(rootfs);
    for (const source of ["dial-vsock", "../../attack/vm/vsock-flood"]) {
      compileC([join(import.meta.dirname, `${source}.c`)], join(inHost, "bin", basename(source)));
    }
    copyFileSync(module, join(inHost, "vsock_loopback.ko"));
    writeFileSync(join(inHost, "check"), checkFrame());
  });
  afterAll(async () => {
    await pod?.client.close();
    await machine?.[Symbol.asyncDispose]();
  });

  async function dialFromInside(cid: number, port: number): Promise<string> {
    const line = `dial-vsock ${cid} ${port} < /check`;
    const { stdout, stderr } = await pod.run([], { ...ociSpec(rootfs, ["sh", "-c", line]) });
    return stdout.toString() + stderr.toString();
  }

  it("reaches nothing unless the module is loaded", async () => {
    expect(await dialFromInside(1, 1024)).toMatch(/^not connected: /);
  });

  it("gets each connection closed without an answer: API, log, console and streams, by the local CID and by the guest's", async () => {
    await machine.shell(`insmod ${rootfs}/vsock_loopback.ko`);
    for (const cid of [1, 3]) {
      for (const port of [1024, 1025, 1026, 1027]) {
        expect(await dialFromInside(cid, port), `CID ${cid}, port ${port}`).toBe("connected, 0 bytes, closed\n");
      }
    }
    // By either CID, the loopback's own CID is the caller's.
    const refusal = { msg: "connection refused", peer: "vsock:1", reason: "only the host (CID 2) may call the agent" };
    expect(await refusals(2)).toEqual([expect.objectContaining(refusal), expect.objectContaining(refusal)]);
    expect((await pod.client.health.check({})).status).toBe(1);
  });

  it("neither keeps the host out by endless connections, nor fills the log", async () => {
    const args = ["sh", "-c", "for i in 1 2 3; do vsock-flood 1 1024 3 500 & done; wait; echo over"];
    const { Process } = ociSpec(rootfs, args);
    const id = await pod.start([], { Process: { ...Process, Capabilities: {} }, Root: { Path: rootfs } });
    let ended = false;
    const flooding = pod.finish(id, id).finally(() => {
      ended = true;
    });
    while (!ended) {
      const start = performance.now();
      await using client = await machine.connect();
      await client.health.check({});
      expect(performance.now() - start).toBeLessThan(HELD_UP_MS);
    }
    const counts = (await flooding).stdout.toString();
    expect(counts).toMatch(/^(\d{3,} 0\n){3}over\n$/);
    await pod.remove(id);
    const last = await refusals(3);
    expect(last).toContainEqual(expect.objectContaining({ leftOut: expect.any(Number) }));
    expect(last.length).toBeLessThan(30);
  });

  /** Returns the first refused connections in the log, which the log port sends from its start. */
  async function refusals(count: number): Promise<unknown[]> {
    const socket = await dial(machine.guest.address(1025));
    let text = "";
    for await (const data of socket) {
      text += String(data);
      const lines = text.split("\n").slice(0, -1);
      const refused = lines.filter((line) => line.includes("connection refused"));
      if (refused.length >= count) return refused.map((line) => JSON.parse(line));
    }
    throw new Error(`the log ended: ${text}`);
  }
});

/** Returns a complete ttRPC request for grpc.Health/Check. */
function checkFrame(): Buffer {
  const payload = ttrpc.Request.encode({ service: "grpc.Health", method: "Check", payload: new Uint8Array() }).finish();
  const header = Buffer.alloc(10);
  header.writeUInt32BE(payload.length, 0);
  header.writeUInt32BE(1, 4);
  header.writeUInt8(1, 8);
  return Buffer.concat([header, payload]);
}
