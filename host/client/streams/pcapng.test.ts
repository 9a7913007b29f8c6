import { execFileSync, spawnSync } from "node:child_process";
import { expect, it } from "vitest";
import { PcapngFile } from "./pcapng.ts";
import { readPcapng } from "./testing/read-pcapng.ts";

const SECONDS = 1_700_000_000;
/** A UDP datagram "hello" from 127.0.0.1:1 to 127.0.0.1:9, without checksums. */
const DATAGRAM = Buffer.from("4500002100000000401100007f0000017f00000100010009000d000068656c6c6f", "hex");

/** Returns a record of pcap with LINUX_SLL2, from an interface, in a direction. */
function record(index: number, direction: number, packet: Buffer, original = packet.length): Buffer {
  const head = Buffer.alloc(36);
  for (const [at, value] of [SECONDS, 5, 20 + packet.length, 20 + original].entries())
    head.writeUInt32LE(value, at * 4);
  head.writeUInt16BE(0x0800, 16);
  head.writeUInt32BE(index, 20);
  head.writeUInt16BE(1, 24);
  head.writeUInt8(direction, 26);
  return Buffer.concat([head, packet]);
}

const packetsOf = (file: PcapngFile, ...records: Buffer[]) => {
  let end = 0;
  const ends = records.map((each) => (end += each.length));
  return file.packets(Buffer.concat(records), ends);
};

it("describes each interface once, by the name that was noted before its first packet", () => {
  const file = new PcapngFile(100);
  file.name(7, "eth0");
  const blocks = [
    file.begin(),
    packetsOf(file, record(7, 0, DATAGRAM), record(9, 4, DATAGRAM.subarray(0, 30), 900)),
    packetsOf(file, record(7, 4, DATAGRAM)),
  ];
  file.name(7, "eth0");
  file.name(9, "wan");
  blocks.push(packetsOf(file, record(7, 0, DATAGRAM), record(9, 0, DATAGRAM)), file.end());
  const { interfaces, packets } = readPcapng(Buffer.concat(blocks));
  expect(interfaces).toEqual(["eth0", "if9", "wan"]);
  expect(packets.map(({ interfaceName, direction }) => [interfaceName, direction])).toEqual([
    ["eth0", 0],
    ["if9", 4],
    ["eth0", 4],
    ["eth0", 0],
    ["wan", 0],
  ]);
  expect(packets[0]).toMatchObject({ seconds: SECONDS, original: DATAGRAM.length, bytes: DATAGRAM });
  expect(packets[1]).toMatchObject({ original: 900, bytes: DATAGRAM.subarray(0, 30) });
});

it("keeps a bounded number of interfaces, whatever the agent names", () => {
  const file = new PcapngFile(100);
  const records = Array.from({ length: 4097 }, (_, index) => record(index, 0, DATAGRAM));
  for (let index = 0; index < 5000; index++) file.name(index, `veth${index}`);
  const all = Buffer.concat([file.begin(), packetsOf(file, ...records, record(0, 0, DATAGRAM))]);
  const { interfaces, packets } = readPcapng(all);
  expect(interfaces).toHaveLength(4098);
  expect(packets).toHaveLength(4098);
});

const hasTcpdump = spawnSync("tcpdump", ["--version"]).status === 0;
it.skipIf(!hasTcpdump)(
  `is read by tcpdump, also without a packet${hasTcpdump ? "" : " (skipped: no tcpdump on this machine)"}`,
  () => {
    const read = (...blocks: Buffer[]) =>
      execFileSync("tcpdump", ["-n", "-e", "-tt", "-r", "-"], { input: Buffer.concat(blocks), encoding: "utf8" });
    const empty = new PcapngFile(100);
    expect(read(empty.begin(), empty.end())).toBe("");
    const file = new PcapngFile(100);
    file.name(2, "eth0");
    const packets = packetsOf(file, record(2, 4, DATAGRAM), record(3, 0, DATAGRAM));
    expect(read(file.begin(), packets, file.end()).trim().split("\n")).toEqual([
      expect.stringMatching(`^${SECONDS}\\.000000 Out .*127\\.0\\.0\\.1\\.1 > 127\\.0\\.0\\.1\\.9: UDP, length 5`),
      expect.stringMatching(`^${SECONDS}\\.000000 +In .*127\\.0\\.0\\.1\\.1 > 127\\.0\\.0\\.1\\.9: UDP, length 5`),
    ]);
  },
);
