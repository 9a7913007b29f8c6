import { spawn } from "node:child_process";
import { once } from "node:events";
import { connect } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Duplex } from "node:stream";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type ForwardTarget, openForward } from "../../host/client/streams/forward.ts";
import { reverseForward } from "../../host/client/streams/reverse-forward.ts";
import { codec, type Init } from "../../proto/codec.ts";
import { guestd } from "../../proto/gen/messages.js";
import { encodeStreamFrame } from "../../proto/stream-frame.ts";
import { describeInNamespaces } from "../init/testing/describe-in-namespaces.ts";
import { PORT, SERVER_SOCKET, startForwardServer } from "../scenarios/forward-server.ts";
import { guestAt } from "../scenarios/guest-at.ts";
import { Pod } from "../scenarios/pod.ts";
import { RawStreams } from "../scenarios/raw-streams.ts";
import { startHostAgent } from "./testing/host-agent.ts";

const guestctl = join(import.meta.dirname, "../../host/cli/launch.cjs");
const forwardRequest = codec("guestd.v1.ForwardRequest", guestd.v1.ForwardRequest);
const forwardJoin = codec("guestd.v1.ForwardJoin", guestd.v1.ForwardJoin);
const ID = Buffer.alloc(16, 1);

const request = (parts: Init<guestd.v1.ForwardRequest>) =>
  encodeStreamFrame("forward", 3, 0, forwardRequest.encode({ version: 1, id: ID, ...parts }));
const joining = (id: Uint8Array) => encodeStreamFrame("forwardJoin", 3, 0, forwardJoin.encode({ id }));

describeInNamespaces("the clients of forwarding", () => {
  let machine: Awaited<ReturnType<typeof startHostAgent>>;
  let pod: Pod;
  let container: string;
  const address = () => `${machine.address}_1028`;
  beforeAll(async () => {
    machine = await startHostAgent();
    pod = await Pod.open(machine);
    ({ container } = await startForwardServer(pod));
  }, 30_000);
  afterAll(async () => {
    await pod?.client.close();
    await machine?.[Symbol.asyncDispose]();
  });

  describe("get one error for a first frame", () => {
    it.each<[string, () => Buffer, RegExp]>([
      ["without a version", () => request({ version: 0 }), /^invalid-argument: forward: the request has no version/],
      ["with a short id", () => request({ id: Buffer.alloc(3) }), /the id has 3 bytes; use 16 random ones$/],
      ["that can't be decoded", () => encodeStreamFrame("forward", 3, 0, Buffer.of(255)), /^invalid-argument: decode/],
      [
        "with data after it",
        () => Buffer.concat([request({ container_id: container, port: PORT.echo }), Buffer.of(1)]),
        /the client sent data before it was answered$/,
      ],
      [
        "with another frame after it",
        () => Buffer.concat([request({ container_id: container, port: PORT.echo }), joining(ID)]),
        /the client sent data before it was answered$/,
      ],
      ["that joins nothing", () => joining(ID), /^not-found: forward: no connection 0101/],
      ["that only may follow", () => encodeStreamFrame("forwardEnd", 3, 0), /a connection can't begin with it$/],
      [
        "with UDP and a path",
        () => request({ container_id: container, path: "/x", udp: true }),
        /a unix socket has no UDP/,
      ],
      ["that takes from no listener", () => request({ listener: ID }), /^not-found: forward: no reverse forward 0101/],
    ])("%s", async (_, bytes, error) => {
      await using raw = await RawStreams.connect(address());
      raw.socket.write(bytes());
      expect(await raw.error()).toMatch(error);
    });
  });

  it.each<[string, ForwardTarget]>([
    ["a port", { port: 0 }],
    ["a path", { path: "/run/of-the-guest.sock" }],
  ])("listen in the guest itself at %s", async (_, place) => {
    const onConnection = async (stream: Duplex) => void stream.end(`the host got ${await text(stream)}`);
    const reverse = reverseForward(address(), place, { onConnection });
    const port = await reverse.listening;
    const stream = await openForward(address(), place.path === undefined ? { port } : place);
    stream.end("this");
    expect(await text(stream)).toBe("the host got this");
    reverse.close();
    await reverse.closed;
  });

  it("can't listen at a name", async () => {
    const reverse = reverseForward(address(), { host: "web", port: 0 }, { onConnection: () => undefined });
    await expect(reverse.closed).rejects.toMatchObject({
      message: 'reverse forward: "web" is a name; give the IP address to listen on',
    });
  });

  it("are told when the container of a reverse forward ends", async () => {
    const other = await pod.start(["sleep", "1000"]);
    const reverse = reverseForward(address(), { container: other, port: 0 }, { onConnection: () => undefined });
    await reverse.listening;
    await pod.remove(other);
    await expect(reverse.closed).rejects.toMatchObject({ kind: "no-container" });
  });

  /** Opens both halves by hand, without a client that follows the protocol. */
  async function halves(port: number) {
    const id = Buffer.from(crypto.getRandomValues(new Uint8Array(16)));
    const [upload, download] = [await RawStreams.connect(address()), await RawStreams.connect(address())];
    upload.socket.write(request({ id, container_id: container, port }));
    await upload.frame("forwarded");
    download.socket.write(joining(id));
    await download.frame("forwarded");
    return { upload, download };
  }

  it.each<[string, Buffer, RegExp]>([
    [
      "announces fewer bytes than it has sent",
      encodeStreamFrame("forwardEnd", 3, 2),
      /announced an end before 5 bytes/,
    ],
    ["sends another frame in place of its announcement", encodeStreamFrame("ack", 3, 0), /only forwardEnd may follow$/],
    ["sends bytes that are no frame", Buffer.alloc(64, 99), /^invalid-argument: frame of type 99/],
  ])("lose their connection alone if one %s", async (_, bytes, error) => {
    const { upload, download } = await halves(PORT.hash);
    upload.socket.write("12345");
    const stream = await openForward(address(), { container, port: PORT.echo });
    setTimeout(() => download.socket.write(bytes), 50);
    expect(await upload.error()).toMatch(error);
    stream.end("others continue");
    expect(await text(stream)).toBe("others continue end after 15");
  });

  it("get at most 128 connections, and places again when some end", async () => {
    const open = () => openForward(address(), { container, path: SERVER_SOCKET });
    const streams = [];
    const refusal = { kind: "resource-exhausted", message: "forward: 128 connections are already open" };
    for (;;) {
      const stream = await open().catch((error: unknown) => error);
      if (stream instanceof Error) {
        expect(stream).toMatchObject(refusal);
        break;
      }
      streams.push(stream as Awaited<ReturnType<typeof open>>);
    }
    expect(streams.length).toBeGreaterThan(100);
    for (const stream of streams) stream.destroy();
    await expect
      .poll(() =>
        open().then(
          (stream) => stream.destroy(),
          () => undefined,
        ),
      )
      .toBeDefined();
  }, 30_000);

  it("include guestctl forward, which listens here and in the container, and guestctl ports", async () => {
    const start = (...args: string[]) => {
      const [command = "", ...rest] = args;
      return spawn(process.execPath, [guestctl, command, "--address", machine.address, container, ...rest]);
    };
    const host = join(machine.directory, "host.sock");
    const child = start("forward", `0:${PORT.echo}`, `unix:${host}:unix:${SERVER_SOCKET}`, "-R", `0:${PORT.http}`);
    const lines: string[] = [];
    for await (const line of createInterface(child.stdout)) if (lines.push(line) === 3) break;
    const port = Number(/^127\.0\.0\.1:(\d+) -> 127\.0\.0\.1:7000 in /m.exec(lines.join("\n"))?.[1]);
    expect(lines).toContainEqual(expect.stringMatching(`^127.0.0.1:${port} -> 127.0.0.1:7000 in ${container}$`));
    expect(lines).toContainEqual(expect.stringMatching(`^127.0.0.1:\\d+ in ${container} -> 127.0.0.1:8080$`));
    expect(lines).toContain(`unix:${host} -> unix:${SERVER_SOCKET} in ${container}`);
    for (const place of [{ port }, { path: host }]) {
      const socket = connect({ ...place, allowHalfOpen: true });
      socket.end("abc");
      expect(await text(socket)).toBe("abc end after 3");
    }
    const listed = await text(start("ports").stdout);
    expect(listed).toMatch(/^PROTOCOL +ADDRESS +PORT\n/);
    expect(listed).toMatch(/^tcp +127\.0\.0\.1 +7000$/m);
    expect(JSON.parse(await text(start("ports", "--wait", "7000", "--json").stdout))).toHaveLength(1);
    child.kill("SIGINT");
    expect((await once(child, "close"))[0]).toBe(130);
  }, 30_000);
});

describeInNamespaces("forwarding with a policy", () => {
  it("is refused if the policy denies its calls", async () => {
    const denied = "Forward,ForwardListen,ListPorts";
    await using machine = await startHostAgent({ config: `deny_calls = "${denied}"` });
    const address = `${machine.address}_1028`;
    const blocked = (name: string) => ({
      kind: "permission-denied",
      message: `${name} is blocked by policy: agent.deny_calls names it`,
    });
    await expect(openForward(address, { port: 1 })).rejects.toMatchObject(blocked("ForwardRequest"));
    const reverse = reverseForward(address, { port: 1 }, { onConnection: () => undefined });
    await expect(reverse.closed).rejects.toMatchObject(blocked("ForwardListenRequest"));
    await expect(guestAt(machine.address).ports()).rejects.toMatchObject(blocked("ListPortsRequest"));
  });
});
