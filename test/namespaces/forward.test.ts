import { createHash } from "node:crypto";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { existsSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { Agent, get, type IncomingMessage, type RequestOptions } from "node:http";
import { connect, createServer } from "node:net";
import { join } from "node:path";
import type { Duplex } from "node:stream";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { type ForwardTarget, openForward } from "../../host/client/streams/forward.ts";
import { forwardDatagrams } from "../../host/client/streams/local-datagrams.ts";
import { forwardFrom, type LocalForwardOptions } from "../../host/client/streams/local-forward.ts";
import { reverseForward } from "../../host/client/streams/reverse-forward.ts";
import { followPorts, waitForPort } from "../../host/engine/guest/watch-ports.ts";
import { randomFrom } from "../../lib/seeded-random.ts";
import { describeInNamespaces } from "../init/testing/describe-in-namespaces.ts";
import { BLOB_BYTES, PORT, SERVER_SOCKET, startForwardServer } from "../scenarios/forward-server.ts";
import { guestAt } from "../scenarios/guest-at.ts";
import { postWhile } from "../scenarios/keep-alive.ts";
import { Pod } from "../scenarios/pod.ts";
import { startHostAgent } from "./testing/host-agent.ts";

const KILLS = 3;
const SEED = Number(process.env["GUESTD_SEED"] ?? Date.now() % 100_000);
const CONNECTIONS = 4;
const fail = () => expect.fail("a connection");

/** The SHA-256 of the server's blob. */
const blobHash = async () => {
  const { createCipheriv } = await import("node:crypto");
  const cipher = createCipheriv("aes-128-ctr", Buffer.alloc(16, 7), Buffer.alloc(16));
  const blob = cipher.update(Buffer.alloc(BLOB_BYTES));
  return { blob, hash: createHash("sha256").update(blob).digest("hex") };
};

describeInNamespaces("forwarded connections", () => {
  let machine: Awaited<ReturnType<typeof startHostAgent>>;
  let pod: Pod;
  let container: string;
  let rootfs: string;
  const address = () => `${machine.address}_1028`;
  const listen = async (target: ForwardTarget, options: LocalForwardOptions = {}) => {
    const local = await forwardFrom(address(), {}, { container, ...target }, options);
    return { ...local, [Symbol.asyncDispose]: local.close };
  };
  const open = (port: number) => openForward(address(), { container, port });
  beforeAll(async () => {
    machine = await startHostAgent();
    pod = await Pod.open(machine);
    ({ container, rootfs } = await startForwardServer(pod));
  }, 30_000);
  afterAll(async () => {
    await pod?.client.close();
    await machine?.[Symbol.asyncDispose]();
  });

  const webGet = async (path: string, options: RequestOptions = {}) => {
    await using local = await listen({ port: PORT.http });
    const [response] = await once(
      get({ agent: false, ...options, path, host: "127.0.0.1", port: local.port }),
      "response",
    );
    return response as IncomingMessage;
  };

  it("carry HTTP requests with keep-alive over one connection", async () => {
    await using local = await listen({ port: PORT.http });
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const request = async (path: string) => {
      const [response] = await once(get({ agent, path, host: "127.0.0.1", port: local.port }), "response");
      return text(response);
    };
    const answers = [await request("/a"), await request("/b"), await request("/c")];
    expect(answers.map((answer) => answer.split(" ")[0])).toEqual(["/a", "/b", "/c"]);
    expect(new Set(answers.map((answer) => answer.split(" by ")[1])).size).toBe(1);
    agent.destroy();
  });

  it(`keep the connections of an HTTP client over ${KILLS} deaths of the agent (seed ${SEED})`, async () => {
    const random = randomFrom(SEED);
    const errors: string[] = [];
    await using local = await listen({ port: PORT.http }, { onError: (error) => errors.push(error.message) });
    let isKilling = true;
    const kill = async () => {
      for (let time = 1; time <= KILLS; time++) {
        await sleep(random() * 100);
        await machine.killAgent();
      }
      isKilling = false;
    };
    const [{ requests, connections }] = await Promise.all([
      postWhile(local.port, random, CONNECTIONS, () => isKilling),
      kill(),
    ]);
    expect(errors).toEqual([]);
    expect(requests).toBeGreaterThanOrEqual(CONNECTIONS);
    expect(connections).toBe(CONNECTIONS);
  });

  it("end each direction by itself", async () => {
    const stream = await open(PORT.echo);
    stream.write("hello");
    const [first] = await once(stream, "data");
    expect(String(first)).toBe("hello");
    stream.end(" again");
    expect(await text(stream)).toBe(" again end after 11");
  });

  it("reach unix sockets inside the container's root", async () => {
    const stream = await openForward(address(), { container, path: SERVER_SOCKET });
    stream.end("x");
    expect(await text(stream)).toBe("x end after 1");
  });

  it("reach names in the container's /etc/hosts", async () => {
    writeFileSync(join(rootfs, "etc/hosts"), "192.0.2.1 other\n127.0.0.1 web web.example\n");
    const stream = await openForward(address(), { container, host: "web.example", port: PORT.echo });
    stream.end("x");
    expect(await text(stream)).toBe("x end after 1");
  });

  it("follow links inside the container's root, and never out of it", async () => {
    const outside = join(machine.directory, "outside.sock");
    const server = createServer().listen(outside);
    await once(server, "listening");
    const link = (to: string, name: string) => symlinkSync(to, join(rootfs, "run", name));
    link(SERVER_SOCKET, "inside");
    link(outside, "absolute");
    link(`../../../../../../../../..${outside}`, "relative");
    link(machine.directory, "directory");
    const stream = await openForward(address(), { container, path: "/run/inside" });
    stream.end();
    expect(await text(stream)).toBe(" end after 0");
    for (const path of ["/run/absolute", "/run/relative", "/run/directory/outside.sock"]) {
      await expect(openForward(address(), { container, path })).rejects.toMatchObject({ kind: "no-file" });
    }
    const other = openForward(address(), { container, path: `/proc/1/root${outside}` });
    await expect(other).rejects.toMatchObject({ kind: "no-access" });
    const reverse = reverseForward(address(), { container, path: "/run/directory/new.sock" }, { onConnection: fail });
    await expect(reverse.listening).rejects.toMatchObject({ kind: "no-file" });
    expect(existsSync(join(machine.directory, "new.sock"))).toBe(false);
    server.close();
  });

  it.each<[string, ForwardTarget, string, RegExp]>([
    [
      "a port on which nothing listens",
      { port: 9 },
      "refused",
      /^forward to 127\.0\.0\.1:9: connection refused: nothing/,
    ],
    [
      "an address without a route",
      { host: "192.0.2.1", port: 80 },
      "unreachable",
      /^forward to 192\.0\.2\.1:80: unreach/,
    ],
    ["a container that doesn't exist", { container: "none", port: 80 }, "no-container", /"none": there is no such/],
    ["a file that doesn't exist", { path: "/run/none.sock" }, "no-file", /^forward to \/run\/none\.sock: no such file/],
    ["a directory", { path: "/run" }, "not-a-socket", /^forward to \/run: not a listening stream socket$/],
    ["an abstract name that doesn't exist", { path: "@none" }, "refused", /^forward to @none: connection refused/],
    [
      "a name that isn't in the container's /etc/hosts",
      { host: "example.org", port: 80 },
      "invalid-argument",
      /^forward: "example\.org" isn't in the container's \/etc\/hosts, and DNS isn't asked; give its IP address$/,
    ],
    ["text that is no name", { host: "a b", port: 80 }, "invalid-argument", /"a b" is no IP address and no host name$/],
    ["a port out of range", { port: 65_536 }, "invalid-argument", /^forward: 65536 is no port \(1 to 65535\)$/],
    ["a relative path", { path: "run/in.sock" }, "invalid-argument", /^forward: "run\/in\.sock" is no absolute path/],
  ])("refuse %s by its type", async (_, target, kind, message) => {
    const opening = openForward(address(), { container, ...target });
    await expect(opening).rejects.toMatchObject({ kind, message: expect.stringMatching(message) });
  });

  it("pass a refusal on as a reset of one connection, and the listener stays", async () => {
    const errors: string[] = [];
    const target = { container, port: 9 };
    await using local = await listen(target, { onError: (error) => errors.push(error.message) });
    for (let time = 1; time <= 2; time++) {
      const socket = connect(local.port, "127.0.0.1");
      await expect(once(socket, "close")).rejects.toMatchObject({ code: "ECONNRESET" });
      expect(errors).toHaveLength(time);
    }
  });

  it("pass a reset of the target on", async () => {
    const stream = await open(PORT.reset);
    stream.write("x");
    await expect(text(stream)).rejects.toMatchObject({ message: expect.stringMatching(/ECONNRESET/) });
  });

  it("reset the target if the client is gone before it has announced an end", async () => {
    const stream = await open(PORT.echo);
    stream.write("x");
    await once(stream, "data");
    stream.destroy();
    await vi.waitFor(async () => {
      const { stdout } = await pod.execute(container, ["cat", "/proc/net/tcp"]);
      expect(String(stdout)).not.toMatch(/:1B58 \S+ 0[1-9]/);
    }, 50_000);
  });

  /** Sends datagrams through a forward until one comes back. */
  const datagrams = async () => {
    const local = await forwardDatagrams(address(), {}, { container, port: PORT.udp });
    const socket = createSocket("udp4");
    const received: number[] = [];
    socket.on("message", (datagram) => received.push(datagram.length));
    const echo = (size: number) =>
      vi.waitUntil(
        () => {
          socket.send(Buffer.alloc(size, 1), local.port, "127.0.0.1");
          return received.includes(size);
        },
        { timeout: 50_000, interval: 100 },
      );
    const close = async () => {
      socket.close();
      await local.close();
    };
    return { echo, received, [Symbol.asyncDispose]: close };
  };

  it("carry datagrams with their bounds", async () => {
    await using flow = await datagrams();
    for (const size of [1, 9000, 60_000]) await flow.echo(size);
    expect([...new Set(flow.received)]).toEqual([1, 9000, 60_000]);
  });

  it(`lose no byte both ways, nor their ends, in ${KILLS} deaths of the agent`, async () => {
    const { blob, hash } = await blobHash();
    const [download, upload, idle, half] = await Promise.all(
      [PORT.blob, PORT.hash, PORT.echo, PORT.silent].map((port) => open(port)),
    );
    if (download === undefined || upload === undefined || idle === undefined || half === undefined) throw new Error();
    half.end("x");
    await using flow = await datagrams();
    await flow.echo(10);
    const sum = createHash("sha256");
    let [received, sent] = [0, 0];
    const kill = async () => {
      for (let time = 1; time <= KILLS; time++) {
        const enough = (BLOB_BYTES * time) / (KILLS + 1);
        while (received < enough || sent < enough) await sleep(1);
        await machine.killAgent();
      }
    };
    const receiving = async () => {
      for await (const chunk of download) {
        sum.update(chunk);
        received += chunk.length;
        await sleep(1);
      }
    };
    const sending = async () => {
      for (; sent < blob.length; sent += 50_000) {
        if (!upload.write(blob.subarray(sent, sent + 50_000))) await once(upload, "drain");
        await sleep(1);
      }
      upload.end();
      return text(upload);
    };
    const [uploaded] = await Promise.all([sending(), receiving(), kill()]);
    download.end();
    expect([uploaded, sum.digest("hex"), received]).toEqual([hash, hash, BLOB_BYTES]);
    idle.end("still there");
    expect(await text(idle)).toBe("still there end after 11");
    expect(half.destroyed).toBe(false);
    half.destroy();
    await flow.echo(20); // over a new connection
  }, 60_000);

  it("report the ports on which processes listen, and wait for one", async () => {
    const { ports } = await guestAt(machine.address).ports(container);
    const tcp = ports.filter(({ protocol }) => protocol === "tcp").map(({ port }) => port);
    expect(tcp.sort()).toEqual([7000, 7001, 7002, 7003, 7005, 8080]);
    expect(ports).toContainEqual({ protocol: "udp", address: "127.0.0.1", port: PORT.udp });
    const waiting = waitForPort(guestAt(machine.address), { container, port: 7777 });
    await pod.exec(container, ["nc", "-l", "-p", "7777"]);
    expect(await waiting).toMatchObject({ port: 7777 });
    await expect(waitForPort(guestAt(machine.address), { container, port: 1 }, { timeoutMs: 1 })).rejects.toMatchObject(
      {
        kind: "timeout",
      },
    );
    await expect(guestAt(machine.address).ports("none")).rejects.toMatchObject({ reason: "no-container" });
  });

  it("report ports as they open and close", async () => {
    const seen: string[] = [];
    let exec_id = "";
    for await (const { action, port } of followPorts(guestAt(machine.address), container, { intervalMs: 20 })) {
      if (port === PORT.http) exec_id = await pod.exec(container, ["nc", "-l", "-p", "7778"]);
      if (port !== 7778) continue;
      if (seen.push(action) === 2) break;
      await pod.client.agent.signalProcess({ container_id: container, exec_id, signal: 9 });
    }
    expect(seen).toEqual(["opened", "closed"]);
  });

  it("reach the host in reverse, over TCP and over a unix socket that belongs to the container's user", async () => {
    const answer = async (stream: Duplex) => {
      const got = await text(stream).catch(() => undefined);
      if (got !== undefined) stream.end(`the host got ${got}`);
    };
    // The killed agent cuts what it has not ended yet; the container asks again.
    const onConnection = (stream: Duplex) => void answer(stream.on("error", () => undefined));
    const tcp = reverseForward(address(), { container, port: 0 }, { onConnection });
    const unix = reverseForward(address(), { container, path: "/run/host.sock" }, { onConnection });
    const dialled = async (where: string | number) => text(await webGet(`/dial/${where}`));
    const port = await tcp.listening;
    expect(await unix.listening).toBe(0);
    expect(statSync(join(rootfs, "run/host.sock")).mode & 0o777).toBe(0o600);
    const both = () => Promise.all([dialled(port), dialled("run/host.sock"), dialled(port)]);
    const said = "the host got from the container";
    expect(await both()).toEqual([said, said, said]);
    await machine.killAgent();
    expect(await both()).toEqual([said, said, said]);
    writeFileSync(join(rootfs, "run/file"), "kept");
    const file = reverseForward(address(), { container, path: "/run/file" }, { onConnection });
    await expect(file.listening).rejects.toMatchObject({ kind: "in-use" });
    const taken = reverseForward(address(), { container, path: "/run/host.sock" }, { onConnection });
    await expect(taken.listening).rejects.toMatchObject({ kind: "in-use" });
    for (const each of [tcp, unix]) each.close();
    await Promise.all([tcp.closed, unix.closed]);
    // The next agent doesn't remove the socket's file: the next listener replaces it.
    const again = reverseForward(address(), { container, path: "/run/host.sock" }, { onConnection });
    await again.listening;
    again.close();
    await again.closed;
    await expect.poll(() => existsSync(join(rootfs, "run/host.sock"))).toBe(false);
  });

  it("let the connections that a container makes take half of all at most, and close further ones", async () => {
    const accepted: Duplex[] = [];
    const errors: Error[] = [];
    const onConnection = (stream: Duplex) => void accepted.push(stream.on("error", () => undefined));
    const reverse = reverseForward(address(), { container, port: 0 }, { onConnection, onError: (e) => errors.push(e) });
    const port = await reverse.listening;
    const script = `const { connect } = require("node:net");
      for (let n = 0; n < 80; n++) connect(${port}, "127.0.0.1").on("error", () => undefined).resume();
      setInterval(() => undefined, 1000);`;
    const exec_id = await pod.exec(container, ["/node/node", "-e", script]);
    try {
      await expect.poll(() => [accepted.length, errors.length]).toEqual([64, 16]);
      expect(errors[0]?.message).toBe(`forward: container ${container} has 64 connections to reverse forwards already`);
      expect(await text(await webGet("/a"))).toMatch(/^\/a /);
    } finally {
      await pod.client.agent.signalProcess({ container_id: container, exec_id, signal: 9 });
      for (const stream of accepted) stream.destroy();
      reverse.close();
      await reverse.closed;
    }
  });
});
