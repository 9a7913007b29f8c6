import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { connect } from "node:net";
import { expect, it } from "vitest";
import { bindUnix } from "../../agent/kernel/sys/listeners.ts";
import { openSys } from "../../agent/kernel/sys/sys.ts";
import { openForward } from "../../host/client/streams/forward.ts";
import { streamsAddress } from "../../host/client/streams/streams-address.ts";
import { codec } from "../../proto/codec.ts";
import { guestd } from "../../proto/gen/messages.js";
import { type FrameType, STREAM } from "../../proto/stream-frame.ts";
import { childrenOf } from "../init/testing/children-of.ts";
import { describeInNamespaces } from "../init/testing/describe-in-namespaces.ts";
import { Pod } from "../scenarios/pod.ts";
import { RawStreams } from "../scenarios/raw-streams.ts";
import { startHostAgent } from "./testing/host-agent.ts";

const { v1 } = guestd;
const REQUESTS = [
  "Attach",
  "ReadStream",
  "Watch",
  "Events",
  "Capture",
  "Forward",
  "ForwardListen",
  "Copy",
  "SetPolicy",
];
const DENY_ALL = [
  "package agent_policy",
  "default WriteStreamRequest := true",
  ...REQUESTS.map((name) => `default ${name}Request := false`),
].join("\n");

describeInNamespaces("a policy that forbids everything", () => {
  it("ends attachments, watches, events, captures, forwards, copies and reads that an earlier one allowed", async () => {
    await using machine = await startHostAgent({ config: "container_logs = 65536" });
    const pod = await Pod.open(machine);
    const container_id = await pod.start(["sh", "-c", "echo up; sleep 0.1; exec cat"]);
    const address = streamsAddress(machine.address);
    await using opened = new AsyncDisposableStack();
    const open = async (type: FrameType, answer: FrameType, payload: Uint8Array) => {
      const raw = opened.use(await RawStreams.connect(address));
      raw.send(type, STREAM.process, 0, payload);
      await raw.frame(answer);
      return raw;
    };
    const copy = { version: 1, copy_id: "copy-0123456789", path: "/" };
    const listen = { version: 1, id: randomBytes(16), host: "127.0.0.1" };
    const attach = { version: 1, client: "owner", container_id };
    const continuing: readonly (readonly [string, RawStreams])[] = [
      ["Attach", await open("attach", "hello", codec("guestd.v1.Attach", v1.Attach).encode(attach))],
      [
        "Attach",
        await open("attach", "hello", codec("guestd.v1.Attach", v1.Attach).encode({ ...attach, observe: true })),
      ],
      ["Watch", await open("watch", "watchUpdate", codec("w", v1.WatchRequest).encode({ version: 1 }))],
      ["Events", await open("events", "eventsStart", codec("e", v1.EventsRequest).encode({ version: 1 }))],
      ["Capture", await open("capture", "captureStarted", codec("c", v1.CaptureRequest).encode({ version: 1 }))],
      [
        "ForwardListen",
        await open("forwardListen", "forwardListening", codec("l", v1.ForwardListenRequest).encode(listen)),
      ],
      ["Copy", await open("copy", "copyData", codec("guestd.v1.Copy", v1.Copy).encode(copy))],
    ];
    const forward = await openForward(address, { path: `${machine.directory}/agent.sock` });
    const forwardEnd = once(forward, "error").then(([error]) => String(error));
    const reading = await pod.start(["sh", "-c", "exec cat"]);
    await using other = await machine.connect({ protocol: "ttrpc" });
    const read = other.agent.readStdout({ container_id: reading, exec_id: reading, len: 100 });

    await pod.client.agent.setPolicy({ policy: DENY_ALL });
    for (const [name, raw] of continuing) {
      expect(await raw.error()).toBe(
        `permission-denied: ${name}Request is blocked by policy: rule ${name}Request is false`,
      );
    }
    expect(await forwardEnd).toMatch(/ForwardRequest is blocked by policy/);
    // Input isn't denied; what it makes the process print is.
    await pod.client.agent.writeStdin({ container_id: reading, exec_id: reading, data: Buffer.from("secret") });
    expect(Buffer.from((await read).data).toString()).toBe("");
  });

  it("refuses a forward whose target accepts it only afterwards", async () => {
    await using machine = await startHostAgent();
    await using client = await machine.connect();
    const sys = openSys();
    const path = `${machine.directory}/full.sock`;
    const listener = bindUnix(path);
    sys.listen(listener, 1);
    const clients = [connect(path), connect(path)]; // fill its backlog
    try {
      await Promise.all(clients.map((each) => once(each, "connect")));
      const before = childrenOf(await machine.initPid()).length;
      await using raw = await RawStreams.connect(streamsAddress(machine.address));
      const request = { version: 1, id: randomBytes(16), path };
      raw.send("forward", STREAM.process, 0, codec("guestd.v1.ForwardRequest", v1.ForwardRequest).encode(request));
      // The file server that tries to connect, until the backlog has room.
      await expect.poll(async () => childrenOf(await machine.initPid()).length).toBeGreaterThan(before);
      await client.agent.setPolicy({ policy: DENY_ALL });
      sys.close(sys.accept(listener) ?? -1);
      expect(await raw.error()).toMatch(/^permission-denied: ForwardRequest is blocked by policy/);
    } finally {
      for (const each of clients) each.destroy();
      sys.close(listener);
    }
  });
});
