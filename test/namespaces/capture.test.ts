import { execFileSync, spawnSync } from "node:child_process";
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type CaptureEvent, capturePackets } from "../../host/client/streams/capture.ts";
import { readPcapng } from "../../host/client/streams/testing/read-pcapng.ts";
import { compileFilter } from "../../host/packet-filter/compile-filter.ts";
import { describeInNamespaces } from "../init/testing/describe-in-namespaces.ts";
import { startGuestctl } from "../scenarios/guestctl-process.ts";
import { ociSpec } from "../scenarios/oci.ts";
import { Pod } from "../scenarios/pod.ts";
import { startHostAgent } from "./testing/host-agent.ts";

const FILTER = "udp dst port 9000 and host 127.0.0.1";
/** Bytes of IPv4 and UDP before a datagram's payload. */
const BEFORE = 20 + 8;

/** Returns the payloads of a pcapng file of datagrams. */
const payloads = (file: Buffer) => readPcapng(file).packets.map(({ bytes }) => bytes.subarray(BEFORE).toString());

const hasTcpdump = spawnSync("tcpdump", ["--version"]).status === 0;

/** Returns tcpdump's lines about a file that it reads without a complaint; undefined on a machine without tcpdump. */
function tcpdumpLines(input: Buffer): string[] | undefined {
  if (!hasTcpdump) return undefined;
  const { status, stdout, stderr } = spawnSync("tcpdump", ["-n", "-e", "-r", "-"], { input, encoding: "utf8" });
  expect([status, stderr]).toEqual([0, expect.stringMatching(/^reading from file -, link-type LINUX_SLL [^\n]*\n$/)]);
  return stdout.split("\n").slice(0, -1);
}

describeInNamespaces("guestctl capture", () => {
  let machine: Awaited<ReturnType<typeof startHostAgent>>;
  let pod: Pod;
  let container: string;
  const address = () => `${machine.address}_1028`;
  beforeAll(async () => {
    machine = await startHostAgent();
    pod = await Pod.open(machine);
    await machine.shell("ip link set lo up");
    container = await pod.start(["sleep", "1000"]);
  }, 30_000);
  afterAll(async () => {
    await pod?.client.close();
    await machine?.[Symbol.asyncDispose]();
  });

  /** Sends datagrams to ports of 127.0.0.1 or another address, in the pod's network namespace. */
  async function send(...datagrams: readonly (readonly [port: number, text: string, to?: string])[]) {
    const script = `const socket = require("dgram").createSocket("udp4");
      const rest = ${JSON.stringify(datagrams)};
      const next = () => rest.length === 0 ? socket.close() : send(...rest.shift());
      const send = (port, text, to = "127.0.0.1") => socket.send(text, port, to, next);
      next();`;
    const pid = await machine.initPid();
    execFileSync("nsenter", ["-t", `${pid}`, "-n", process.execPath, "-e", script]);
  }

  async function begin(...args: string[]) {
    const running = startGuestctl(["capture", "--address", machine.address, ...args]);
    await expect.poll(() => running.output.stderr).toMatch(/^guestctl: capturing /);
    return {
      ...running,
      async end() {
        running.child.kill("SIGINT");
        return { code: await running.ended, lines: running.output.stderr.split("\n").slice(1, -1) };
      },
    };
  }

  async function failure(...args: string[]) {
    const running = startGuestctl(["capture", ...args]);
    return [await running.ended, running.output.stderr, running.output.stdout.toString()];
  }

  it("writes the packets that match as pcapng to stdout, each once, and counts them at the end", async () => {
    const capture = await begin(container, ...FILTER.split(" "));
    await send([9000, "one"], [9001, "other"], [9000, "two"]);
    expect(await capture.end()).toEqual({ code: 0, lines: ["guestctl: 2 packets captured, 0 dropped by the guest"] });
    expect(payloads(capture.output.stdout)).toEqual(["one", "two"]);
    const { packets } = readPcapng(capture.output.stdout);
    for (const { seconds } of packets) expect(Math.abs(seconds - Date.now() / 1000)).toBeLessThan(600);
  });

  it("says of each packet of a burst how many bytes it had on the wire", async () => {
    const capture = await begin(container, FILTER);
    const texts = ["first", "of the second", "of the third packet"];
    const agent = await machine.agentPid();
    process.kill(agent, "SIGSTOP");
    await send(...texts.map((text) => [9000, text] as const)).finally(() => process.kill(agent, "SIGCONT"));
    await capture.end();
    const { packets } = readPcapng(capture.output.stdout);
    expect(packets.map(({ original }) => original)).toEqual(texts.map((text) => BEFORE + text.length));
  });

  it(`is read by tcpdump, with each packet's direction${hasTcpdump ? "" : " (not compared: no tcpdump on this machine)"}`, async () => {
    const capture = await begin(container, FILTER);
    await send([9000, "one"], [9000, "three"]);
    await capture.end();
    const line = (length: number) =>
      expect.stringMatching(`^\\S+ +In .*127\\.0\\.0\\.1\\.\\d+ > 127\\.0\\.0\\.1\\.9000: UDP, length ${length}$`);
    expect(tcpdumpLines(capture.output.stdout) ?? [line(3), line(5)]).toEqual([line(3), line(5)]);
    const none = await begin(container, "udp port 9003");
    await none.end();
    expect(tcpdumpLines(none.output.stdout) ?? []).toEqual([]);
  });

  it("has the guest's names of interfaces, whatever the host calls its own", async () => {
    const script = [
      "ip link add in-guest type veth peer name wire",
      "ip link set wire up && ip link set in-guest up && ip addr add 198.51.100.1/24 dev in-guest",
      "ip neigh add 198.51.100.9 lladdr 02:00:00:00:00:09 dev in-guest",
      "until ip link show in-guest | grep -q 'state UP'; do sleep 0.1; done",
    ];
    await machine.shell(script.join(" && "));
    const capture = await begin(container, "udp port 9004", "-c", "3");
    await send([9004, "lo"]);
    await send([9004, "out", "198.51.100.9"]);
    expect(await capture.ended).toBe(0);
    const { packets } = readPcapng(capture.output.stdout);
    expect(packets.map(({ interfaceName, direction }) => [interfaceName, direction])).toEqual([
      ["lo", 0],
      ["in-guest", 4],
      ["wire", 3],
    ]);
    expect(tcpdumpLines(capture.output.stdout)?.length ?? 3).toBe(3);
  });

  it("ends after --count packets, keeps the first bytes, and writes to a file for its owner alone", async () => {
    const file = join(machine.directory, "web.pcap");
    const flags = ["-c", "2", "--snaplen", "30", "-i", "lo", "-w", file];
    const capture = await begin(container, FILTER, ...flags);
    await send([9000, "first"], [9000, "second"], [9000, "third"]);
    expect(await capture.ended).toBe(0);
    expect(capture.output.stderr).toMatch(/^guestctl: capturing lo of \S+\nguestctl: 2 packets captured, \d dropped/);
    const { packets } = readPcapng(readFileSync(file));
    expect(packets.map(({ bytes }) => bytes.length)).toEqual([30, 30]);
    expect(packets[0]?.original).toBe(BEFORE + "first".length);
    expect(tcpdumpLines(readFileSync(file))?.length ?? 2).toBe(2);
    expect(statSync(file).mode & 0o777).toBe(0o600);
  });

  it("continues with the next agent, and says where packets are missing", async () => {
    const capture = await begin(container, FILTER);
    await send([9000, "before"]);
    await capture.prints("before");
    await machine.killAgent();
    await expect.poll(() => capture.output.stderr).toContain("capturing again");
    await send([9000, "after"]);
    await capture.prints("after");
    const { code, lines } = await capture.end();
    expect(code).toBe(0);
    expect(lines[0]).toMatch(/^guestctl: capture: cut after packet 1, the next ones are missing: .*; reconnecting$/);
    expect(lines.at(-1)).toBe("guestctl: 2 packets captured, 0 dropped by the guest");
    expect(payloads(capture.output.stdout)).toEqual(["before", "after"]);
    await pod.client.close();
    pod = await Pod.open(machine);
  });

  it("sees only the container's own network namespace, and ends with the container", async () => {
    const Namespaces = [...(ociSpec("/", []).Linux?.Namespaces ?? []), { Type: "network" }];
    const id = await pod.create(["sleep", "1000"], { Linux: { ...ociSpec("/", []).Linux, Namespaces } });
    await pod.client.agent.startContainer({ container_id: id });
    const capture = await begin(id);
    await send([9000, "of the pod"]);
    await pod.client.agent.signalProcess({ container_id: id, exec_id: id, signal: 9 });
    expect(await capture.ended).toBe(0);
    expect(capture.output.stderr).toContain(`container ${id} has ended; 0 packets captured, 0 dropped by the guest\n`);
    expect(payloads(capture.output.stdout)).toEqual([]);
    await pod.remove(id);
  });

  it("reports every packet that passed as sent or dropped, however slow the reader is", async () => {
    const sent = 12_000;
    const stop = new AbortController();
    const target = { container, filter: compileFilter("udp dst port 9002") };
    const events = capturePackets(address(), target, { stop: stop.signal });
    expect(await events.next()).toMatchObject({ value: { type: "started", snapLength: 65_500 } });
    for (let from = 0; from < sent; from += 400) {
      await send(...Array.from({ length: 400 }, () => [9002, "x".repeat(200)] as const));
    }
    stop.abort();
    let packets = 0;
    let end: CaptureEvent | undefined;
    for await (const event of events) {
      if (event.type === "packets") packets += event.ends.length;
      end = event;
    }
    if (end?.type !== "end") expect.fail("no end");
    expect(end.dropped).toBeGreaterThan(0);
    expect(packets + end.dropped).toBe(sent);
  }, 60_000);

  it("fails in one line for a filter, interface or container that does not exist, and when too many run", async () => {
    const at = ["--address", machine.address];
    expect(await failure(...at, container, "tcp prot 80")).toEqual([
      1,
      'guestctl: filter: "prot" is there; expected and, or, or the filter\'s end\n',
      "",
    ]);
    expect(await failure(...at, container, "-i", "none0")).toEqual([
      1,
      "guestctl: capture: there is no interface none0\n",
      "",
    ]);
    expect((await failure(...at, "none"))[1]).toMatch(/^guestctl: .*no container "none"\n$/);
    const open = await Promise.all(
      Array.from({ length: 8 }, async () => {
        const events = capturePackets(address(), { container });
        await events.next();
        return events;
      }),
    );
    await expect(capturePackets(address(), { container }).next()).rejects.toMatchObject({
      kind: "resource-exhausted",
      message: "capture: 8 captures are already running; stop one of them",
    });
    await Promise.all(open.map((events) => events.return()));
    await expect.poll(async () => (await capturePackets(address(), { container }).next()).value?.type).toBe("started");
  });

  it("refuses programs that the kernel does not accept, and requests beyond the bounds", async () => {
    const first = (target: Parameters<typeof capturePackets>[1]) => capturePackets(address(), target).next();
    const endless = Uint8Array.of(5, 0, 0, 0, 255, 255, 255, 255);
    await expect(first({ container, filter: endless })).rejects.toThrow("capture: the kernel refuses the filter");
    await expect(first({ container, filter: new Uint8Array(7) })).rejects.toThrow("the filter has 7 bytes");
    await expect(first({ container, snapLength: 65_501 })).rejects.toThrow("a snap length of 65501 bytes; the most is");
    await expect(first({ container, interfaceName: "x".repeat(16) })).rejects.toThrow("is no name of an interface");
  });

  it("is refused by a policy that denies Capture", async () => {
    await using denying = await startHostAgent({ config: 'deny_calls = "Capture"' });
    const refused = capturePackets(`${denying.address}_1028`).next();
    await expect(refused).rejects.toMatchObject({
      kind: "permission-denied",
      message: "CaptureRequest is blocked by policy: agent.deny_calls names it",
    });
  });
});
