import { describe, expect, it } from "vitest";
import { addressBytes, parseFilter } from "./parse-filter.ts";

const tcp = { kind: "transport", protocol: "tcp" } as const;
const udp = { kind: "transport", protocol: "udp" } as const;
const ip = { kind: "link", protocol: "ip" } as const;
const net = (address: number[], bits: number, direction?: string) => ({
  ...{ kind: "net", direction, address: Uint8Array.from(address), bits },
});

describe("a filter", () => {
  it("binds and and or equally, from left to right, and not closest", () => {
    expect(parseFilter("tcp or udp and not ip")).toEqual({
      kind: "and",
      left: { kind: "or", left: tcp, right: udp },
      right: { kind: "not", of: ip },
    });
    expect(parseFilter("tcp||(udp&&!ip)")).toEqual({
      kind: "or",
      left: tcp,
      right: { kind: "and", left: udp, right: { kind: "not", of: ip } },
    });
  });

  it("has ports and addresses with qualifiers", () => {
    const ports = { kind: "ports", transport: "tcp", direction: "dst", first: 80, last: 80 };
    expect(parseFilter("tcp dst port 80")).toEqual(ports);
    const range = { ...ports, transport: undefined, direction: undefined, first: 1, last: 65_535 };
    expect(parseFilter("portrange 1-65535")).toEqual(range);
    expect(parseFilter("src host 10.0.0.2")).toEqual(net([10, 0, 0, 2], 32, "src"));
    expect(parseFilter("net 10.0.0.0/8")).toEqual(net([10, 0, 0, 0], 8));
    expect(parseFilter("dst net fd00::/8")).toEqual(net([0xfd, ...Array<number>(15).fill(0)], 8, "dst"));
  });

  it("may be empty", () => {
    expect(parseFilter(" ")).toBeUndefined();
  });

  it.each([
    ["tcp prot 80", 'filter: "prot" is there; expected and, or, or the filter\'s end'],
    [
      "tcp and",
      "filter: it ends; expected ip, ip6, arp, tcp, udp, icmp, icmp6, src, dst, not, (, host, net, port or portrange",
    ],
    ["(tcp", "filter: it ends; expected and, or, or )"],
    ["host web", 'filter: "web" is there; expected an IP address; names are not resolved'],
    ["host 10.0.0.0/8", 'filter: "10.0.0.0/8" is there; expected a single address; use net for several'],
    ["net 10.0.0.1/8", 'filter: "10.0.0.1/8" is there; expected an address whose bits after the first 8 are 0'],
    ["net 10.0.0.0/33", 'filter: "10.0.0.0/33" is there; expected at most 32 bits after /'],
    ["port 65536", 'filter: "65536" is there; expected a port\'s number'],
    ["portrange 9-8", 'filter: "9-8" is there; expected two ports, such as 8000-8080'],
    ["tcp src host 10.0.0.1", 'filter: "host" is there; expected port or portrange'],
    ["host", "filter: it ends; expected an IP address; names are not resolved"],
    [`${"(".repeat(70)}tcp`, "filter: nested deeper than 64 levels"],
    ["tcp or ".repeat(600), "filter: 4200 characters; the most is 4096"],
  ])("fails in one line: %.40s", (text, message) => {
    expect(() => parseFilter(text)).toThrow(message);
  });

  it("knows every spelling of an address", () => {
    const hex = (text: string) => Buffer.from(addressBytes(text) ?? []).toString("hex");
    expect(hex("10.1.2.255")).toBe("0a0102ff");
    expect(hex("::")).toBe("0".repeat(32));
    expect(hex("fe80::1:2")).toBe("fe800000000000000000000000010002");
    expect(hex("::ffff:10.0.0.1")).toBe("00000000000000000000ffff0a000001");
    expect(hex("1:2:3:4:5:6:7:8")).toBe("00010002000300040005000600070008");
    expect(["fe80::1%lo", "1.2.3", "x", ""].map(addressBytes)).toEqual([undefined, undefined, undefined, undefined]);
  });
});
