import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync } from "node:fs";
import fc from "fast-check";
import { afterAll, beforeAll, expect, it } from "vitest";
import { openSys } from "../../agent/kernel/sys/sys.ts";
import { PacketCapture } from "../../agent/network/capture/packet-capture.ts";
import { recordEnds } from "../../host/client/streams/pcap.ts";
import { PcapngFile } from "../../host/client/streams/pcapng.ts";
import { compileFilter } from "../../host/packet-filter/compile-filter.ts";
import { addressBytes, type Filter, parseFilter } from "../../host/packet-filter/parse-filter.ts";
import { describeInNamespaces } from "../init/testing/describe-in-namespaces.ts";

const ETHERTYPES = { ip: 0x0800, ip6: 0x86dd, arp: 0x0806, rarp: 0x8035 } as const;
const NUMBERS = { icmp: 1, tcp: 6, udp: 17, fragment: 44, icmp6: 58, sctp: 132 } as const;
const ADDRESSES = {
  ip: ["10.0.0.1", "10.0.0.2", "10.0.1.1", "10.128.0.1"],
  ip6: ["2001:db8::1", "2001:db8::2", "2001:db8:0:1::1", "2001:db9::1"],
};
const PORTS = [79, 80, 81, 8080];
const NETS = [
  "10.0.0.0/24",
  "10.0.0.0/8",
  "10.0.0.0/9",
  "0.0.0.0/0",
  "2001:db8::/64",
  "2001:db8::/31",
  "2001:db8::/126",
];
/** Bytes before a packet in a record. */
const HEADERS = 36;

/** A packet that is sent, and what filters may ask of it. Unlike the compiler's view, made of fields and not of offsets. */
interface Sample {
  readonly link: keyof typeof ETHERTYPES;
  readonly source: string;
  readonly destination: string;
  readonly protocol: number;
  /** After an IPv6 fragment header. */
  readonly inner: number;
  readonly ports: readonly [source: number, destination: number];
  readonly hasOptions: boolean;
  readonly isLaterFragment: boolean;
}

const samples = fc.oneof(sample("ip"), sample("ip6"), sample("arp"), sample("rarp"));

function sample(link: Sample["link"]): fc.Arbitrary<Sample> {
  const address = fc.constantFrom(...ADDRESSES[link === "ip6" ? "ip6" : "ip"]);
  const number = fc.constantFrom(...Object.values(NUMBERS));
  const port = fc.constantFrom(...PORTS);
  return fc.record({
    link: fc.constant(link),
    ...{ source: address, destination: address, protocol: number, inner: number },
    ports: fc.tuple(port, port),
    ...{ hasOptions: fc.boolean(), isLaterFragment: fc.boolean() },
  });
}

/** Returns the packet from its network header on, `id` in its last bytes. */
function bytesOf(it: Sample, id: number): Buffer {
  const [source, destination] = [it.source, it.destination].map((text) => Buffer.from(addressBytes(text) ?? []));
  const end = Buffer.alloc(24);
  end.writeUInt16BE(it.ports[0], 0);
  end.writeUInt16BE(it.ports[1], 2);
  end.writeUInt32BE(id, 20);
  if (source === undefined || destination === undefined) throw new TypeError("an address");
  if (it.link === "ip6") {
    const header = Buffer.alloc(8);
    header.writeUInt8(0x60, 0);
    const extension = it.protocol === NUMBERS.fragment ? Buffer.from([it.inner, 0, 0, 0, 0, 0, 0, 0]) : Buffer.alloc(0);
    header.writeUInt16BE(extension.length + end.length, 4);
    header.writeUInt8(it.protocol, 6);
    return Buffer.concat([header, source, destination, extension, end]);
  }
  if (it.link !== "ip") {
    const begin = Buffer.from([0, 1, 8, 0, 6, 4, 0, 1, 2, 2, 2, 2, 2, 2]);
    return Buffer.concat([begin, source, Buffer.alloc(6), destination, end]);
  }
  const header = Buffer.alloc(12);
  header.writeUInt8(it.hasOptions ? 0x47 : 0x45, 0);
  const options = Buffer.alloc(it.hasOptions ? 8 : 0, 1);
  header.writeUInt16BE(20 + options.length + end.length, 2);
  header.writeUInt16BE(it.isLaterFragment ? 5 : 0x2000, 6);
  header.writeUInt8(64, 8);
  header.writeUInt8(it.protocol, 9);
  return Buffer.concat([header, source, destination, options, end]);
}

/** Decides by a sample's fields. */
function passes(filter: Filter, it: Sample): boolean {
  switch (filter.kind) {
    case "and":
      return passes(filter.left, it) && passes(filter.right, it);
    case "or":
      return passes(filter.left, it) || passes(filter.right, it);
    case "not":
      return !passes(filter.of, it);
    case "link":
      return it.link === filter.protocol;
    case "transport": {
      const number = NUMBERS[filter.protocol];
      const inIp = it.link === "ip" && it.protocol === number;
      const isInner = it.protocol === NUMBERS.fragment && it.inner === number;
      const inIp6 = it.link === "ip6" && (it.protocol === number || isInner);
      return (filter.protocol !== "icmp6" && inIp) || (filter.protocol !== "icmp" && inIp6);
    }
    case "net": {
      const bits = (bytes: Uint8Array) => Array.from(bytes, (byte) => byte.toString(2).padStart(8, "0")).join("");
      const wanted = bits(filter.address).slice(0, filter.bits);
      const isIn = (text: string) => {
        const bytes = addressBytes(text) ?? new Uint8Array();
        return bytes.length === filter.address.length && bits(bytes).startsWith(wanted);
      };
      return (filter.direction !== "dst" && isIn(it.source)) || (filter.direction !== "src" && isIn(it.destination));
    }
    case "ports": {
      const numbers =
        filter.transport === undefined ? [NUMBERS.tcp, NUMBERS.udp, NUMBERS.sctp] : [NUMBERS[filter.transport]];
      const hasPorts = it.link === "ip6" || (it.link === "ip" && !it.isLaterFragment);
      if (!hasPorts || !numbers.some((number) => number === it.protocol)) return false;
      const isIn = (port: number) => filter.first <= port && port <= filter.last;
      return (filter.direction !== "dst" && isIn(it.ports[0])) || (filter.direction !== "src" && isIn(it.ports[1]));
    }
  }
}

const direction = fc.constantFrom("", "src ", "dst ");
const port = fc.constantFrom("port 80", "port 8080", "portrange 80-81", "portrange 0-79", "portrange 81-65535");
const host = fc.constantFrom(...ADDRESSES.ip, ...ADDRESSES.ip6).map((address) => `host ${address}`);
const primitive = fc.oneof(
  fc.constantFrom("ip", "ip6", "arp", "tcp", "udp", "icmp", "icmp6"),
  fc.tuple(fc.constantFrom("", "tcp ", "udp "), direction, port).map((words) => words.join("")),
  fc
    .tuple(
      direction,
      fc.oneof(
        host,
        fc.constantFrom(...NETS).map((net) => `net ${net}`),
      ),
    )
    .map((words) => words.join("")),
);
const { filter: filters } = fc.letrec<{ filter: string }>((tie) => ({
  filter: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    primitive,
    tie("filter").map((text) => `not (${text})`),
    fc
      .tuple(tie("filter"), fc.constantFrom("and", "or"), tie("filter"), fc.boolean())
      .map(([left, word, right, grouped]) => (grouped ? `(${left}) ${word} (${right})` : `${left} ${word} ${right}`)),
  ),
}));

describeInNamespaces("packet filters in the kernel", () => {
  const sys = openSys();
  let holder: ChildProcess;
  let namespace: number;
  beforeAll(async () => {
    const script = "ip link set lo up && echo up && exec cat";
    holder = spawn("unshare", ["--net", "sh", "-c", script], { stdio: ["pipe", "pipe", "inherit"] });
    await once(holder.stdout ?? holder, "data");
    namespace = openSync(`/proc/${holder.pid}/ns/net`, "r");
  });
  afterAll(() => {
    closeSync(namespace);
    holder.kill("SIGKILL");
  });

  const capture = (text: string) =>
    new PacketCapture(sys, { namespace, interfaceName: "lo", filter: compileFilter(text), snapLength: 2000 });

  function send(all: readonly Sample[]) {
    for (const link of ["ip", "ip6", "arp", "rarp"] as const) {
      const socket = sys.socketIn(namespace, "packet", "datagram");
      sys.bindPackets(socket, "lo", ETHERTYPES[link], 4096);
      for (const [id, it] of all.entries()) if (it.link === link) sys.write(socket, bytesOf(it, id));
      sys.close(socket);
    }
  }

  /** Reads the packets that wait; returns their records and ids. */
  function read(from: PacketCapture) {
    const into = Buffer.alloc(65_536);
    const { bytes } = from.read(into);
    const records = into.subarray(0, bytes);
    const ends = recordEnds(records, 2000) ?? expect.fail("a record is no packet");
    return { records: Buffer.from(records), ids: ends.map((end) => records.readUInt32BE(end - 4)) };
  }

  const tcpdump = spawnSync("tcpdump", ["--version"]).status === 0;

  it(`pass the packets that their words name${tcpdump ? ", like tcpdump" : " (not compared with tcpdump, which isn't on this machine)"}`, async () => {
    const batch = fc.tuple(
      fc.array(samples, { minLength: 60, maxLength: 100, size: "max" }),
      fc.array(filters, { minLength: 20, maxLength: 30, size: "max" }),
    );
    const check = async ([all, texts]: readonly [readonly Sample[], readonly string[]]) => {
      // Created first, it gets each packet last.
      const everything = capture("");
      const captures = texts.map(capture);
      try {
        send(all);
        const seen = { records: Buffer.alloc(0), ids: [] as number[] };
        while (seen.ids.length < all.length) {
          await everything.wait();
          const { records, ids } = read(everything);
          seen.records = Buffer.concat([seen.records, records]);
          seen.ids.push(...ids);
        }
        expect(seen.ids.toSorted((a, b) => a - b)).toEqual([...all.keys()]);
        for (const [index, text] of texts.entries()) {
          const { ids } = read(captures[index] ?? everything);
          const parsed = parseFilter(text);
          const expected = seen.ids.filter((id) => passes(parsed ?? expect.fail(text), all[id] ?? expect.fail("id")));
          expect(ids, text).toEqual(expected);
          if (!tcpdump) continue;
          const file = new PcapngFile(2000);
          const packets = file.packets(seen.records, recordEnds(seen.records, 2000) ?? []);
          const input = Buffer.concat([file.begin(), packets]);
          const stdio = ["pipe", "pipe", "pipe"] as const;
          const output = execFileSync("tcpdump", ["-O", "-r", "-", "-w", "-", text], { input, stdio: [...stdio] });
          const ends = recordEnds(output.subarray(24), 2000) ?? [];
          expect(
            ends.map((end) => output.subarray(24).readUInt32BE(end - 4)),
            `tcpdump ${text}`,
          ).toEqual(expected);
        }
      } finally {
        for (const each of [everything, ...captures]) each.close();
      }
    };
    await fc.assert(fc.asyncProperty(batch, check), { numRuns: 4, endOnFailure: true });
  }, 60_000);

  it("leave a packet's interface, direction, protocol and length in its record", async () => {
    const each = capture("udp");
    const it: Sample = {
      link: "ip",
      source: "10.0.0.1",
      destination: "10.0.0.2",
      protocol: 17,
      inner: 0,
      ports: [1, 2],
      hasOptions: false,
      isLaterFragment: false,
    };
    send([it]);
    await each.wait();
    const { records } = read(each);
    expect(records.subarray(8, 16).toString("hex")).toBe("4000000040000000");
    // Protocol, reserved, interface 1, ARPHRD_LOOPBACK, PACKET_HOST, an address of 6 bytes.
    expect(records.subarray(16, HEADERS).toString("hex")).toBe(`08000000000000010304${"00"}06${"00".repeat(8)}`);
    expect(records.subarray(HEADERS)).toEqual(bytesOf(it, 0));
    each.close();
  });

  it("report an interface that is down", async () => {
    execFileSync("nsenter", ["-t", `${holder.pid}`, "-n", "ip", "link", "set", "lo", "down"]);
    const each = capture("");
    await each.wait();
    expect(each.read(Buffer.alloc(65_536))).toEqual({ bytes: 0, packets: 0, interfaces: [], isGone: true });
    each.close();
  });
});
