import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { encodeStreamFrame } from "../../proto/stream-frame.ts";
import { describeInNamespaces } from "../init/testing/describe-in-namespaces.ts";
import { observedStreamsScenarios } from "../scenarios/observed-streams.ts";
import { Pod } from "../scenarios/pod.ts";
import { RawStreams } from "../scenarios/raw-streams.ts";
import { attachText, shellProcess, streamsScenarios } from "../scenarios/streams.ts";
import { startHostAgent } from "./testing/host-agent.ts";

/** Addresses of guestd.v1.Streams, by carrier, from that of the API. */
const CARRIERS: readonly [string, (api: string) => string][] = [
  ["on its own socket", (api) => `${api}_1028`],
  ["over gRPC", (api) => `grpc+${api}`],
];

describeInNamespaces("guestd.v1.Streams", () => {
  let machine: Awaited<ReturnType<typeof startHostAgent>>;
  let pod: Pod;
  let container: string;
  let hostile = 0;
  beforeAll(async () => {
    machine = await startHostAgent();
    pod = await Pod.open(machine);
    container = await pod.start(["sleep", "1000"]);
  });
  afterAll(async () => {
    await pod?.client.close();
    await machine?.[Symbol.asyncDispose]();
  });

  describe.each(CARRIERS)("%s", (_, addressOf) => {
    const given = () => ({ pod, container, address: addressOf(machine.address) });

    streamsScenarios(given);
    observedStreamsScenarios(given);

    describe("answers a hostile client with one error, and serves others", () => {
      const attached = (process = shellProcess("cat")) =>
        RawStreams.attach(given().address, { container_id: container, exec_id: `hostile${++hostile}`, process });

      it.each<[string, (raw: RawStreams) => void, RegExp]>([
        [
          "a type that doesn't exist",
          (raw) => raw.socket.write(Buffer.alloc(16, 99)),
          /^invalid-argument: frame of type 99/,
        ],
        [
          "a length over the maximum",
          (raw) => raw.socket.write(Buffer.from("08000000ffffffff0000000000000000", "hex")),
          /^invalid-argument: frame stdin: its length is 4294967295, over 65536$/,
        ],
        [
          "a frame of the agent",
          (raw) => raw.send("data", 1, 0, Buffer.of(1)),
          /frame data: the client may not send it$/,
        ],
        [
          "a second attach",
          (raw) => raw.send("attach", 3, 0, Buffer.of(8, 1)),
          /frame attach: the client is attached already$/,
        ],
        ["input at another offset", (raw) => raw.send("stdin", 0, 5, Buffer.of(1)), /input at 5: the next byte is 0$/],
        [
          "an acknowledgement of bytes that were not sent",
          (raw) => raw.send("ack", 1, 9),
          /acknowledge byte 9: only 0 bytes were sent$/,
        ],
        ["an acknowledgement of no exit", (raw) => raw.send("ack", 3, 0), /acknowledge the exit: it was not sent$/],
        [
          "a signal that doesn't exist",
          (raw) => raw.send("signal", 3, 0, Buffer.of(8, 99)),
          /signal: 99 is no signal \(1 to 64\)$/,
        ],
        [
          "a message that can't be decoded",
          (raw) => raw.send("signal", 3, 0, Buffer.of(255)),
          /^invalid-argument: decode guestd.v1.Signal/,
        ],
        [
          "a size without a terminal",
          (raw) => raw.send("resize", 3, 0, Buffer.of(8, 1)),
          /resize: the process has no terminal$/,
        ],
        [
          "input after its end",
          (raw) => {
            raw.send("stdinEof", 0, 0);
            raw.send("stdin", 0, 0, Buffer.of(1));
          },
          /input at 0: the input has ended$/,
        ],
      ])("that sends %s", async (_, send, error) => {
        await using raw = await attached();
        await raw.frame("hello");
        send(raw);
        expect(await raw.error()).toMatch(error);
      });

      it("that sends more input than its window", async () => {
        await using raw = await attached(shellProcess("sleep 1000"));
        await raw.frame("hello");
        for (let offset = 0; offset < 400_000; offset += 32_000) raw.send("stdin", 0, offset, Buffer.alloc(32_000));
        expect(await raw.error()).toMatch(/^resource-exhausted: input at \d+: over 65536 bytes are not acknowledged/);
      });

      it.each<[string, Buffer, RegExp]>([
        ["without attaching first", encodeStreamFrame("ack", 1, 0), /frame ack: a connection can't begin with it$/],
        [
          "without a version",
          encodeStreamFrame("attach", 3, 0, Buffer.from("1a0163", "hex")),
          /the request has no version; set 1$/,
        ],
        [
          "to a container that doesn't exist",
          encodeStreamFrame("attach", 3, 0, Buffer.from("08011a0163", "hex")),
          /^not-found: invalid container id/,
        ],
        [
          "with the epoch of another boot",
          encodeStreamFrame("attach", 3, 0, Buffer.from("0801120161", "hex")),
          /^not-found: attach: the guest was started again since/,
        ],
      ])("that comes %s", async (_, bytes, error) => {
        await using raw = await RawStreams.connect(given().address);
        raw.socket.write(bytes);
        expect(await raw.error()).toMatch(error);
      });

      it("also while hundreds of connections are open that send nothing", async () => {
        const silent = await Promise.all(Array.from({ length: 240 }, () => RawStreams.connect(given().address)));
        const { attachment, text } = attachText(given().address, {
          ...{ container, exec: `beside-silent${++hostile}`, process: shellProcess("echo served") },
        });
        expect(await attachment.exit).toMatchObject({ code: 0 });
        expect(text.stdout).toBe("served\n");
        for (const raw of silent) raw.socket.destroy();
      });
    });
  });

  it("reports where the output was cut if the agent can't be reached, never a status", async () => {
    const process = shellProcess("echo hello; sleep 1000");
    const other = await startHostAgent();
    const otherPod = await Pod.open(other);
    const own = await otherPod.start(["sleep", "1000"]);
    const { attachment, text } = attachText(
      `${other.address}_1028`,
      { container: own, exec: "cut", process },
      { giveUpMs: 1 },
    );
    await expect.poll(() => text.stdout).not.toBe("");
    await otherPod.client.close();
    await other[Symbol.asyncDispose]();
    await expect(attachment.exit).rejects.toMatchObject({
      kind: "cut",
      message: expect.stringMatching(
        /^attach to exec cut of container \S+: cut at byte 6 of stdout: .+; the process may still be running$/,
      ),
    });
  });
});

describeInNamespaces("guestd.v1.Streams with options", () => {
  it("is off with streams_port = 0, on every carrier", async () => {
    await using machine = await startHostAgent({ config: "streams_port = 0" });
    await expect(RawStreams.connect(`${machine.address}_1028`)).rejects.toThrow("ENOENT");
    const { attachment } = attachText(`grpc+${machine.address}`, { container: "c" }, { giveUpMs: 1 });
    await expect(attachment.exit).rejects.toThrow("grpc status 12");
  });

  it.each(["Attach", "ExecProcess", "WriteStdin"])("obeys a policy that denies %s", async (denied) => {
    await using machine = await startHostAgent({ config: `streams_port = 1029\ndeny_calls = "${denied}"` });
    const pod = await Pod.open(machine);
    const container = await pod.start(["sleep", "1000"]);
    const process = shellProcess("cat");
    const { attachment } = attachText(`${machine.address}_1029`, { container, exec: "denied", process });
    attachment.write(Buffer.from("x")).catch(() => undefined);
    await expect(attachment.exit).rejects.toMatchObject({
      kind: "permission-denied",
      message: expect.stringContaining(`is blocked by policy: agent.deny_calls names it`),
    });
    await pod.client.close();
  });
});
