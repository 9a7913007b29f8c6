import { Assembler, type Label } from "./assembler.ts";
import { type Filter, FilterError, type PortFilter, parseFilter, type Transport } from "./parse-filter.ts";

/** Fields that the kernel keeps beside a packet's bytes (SKF_AD_OFF). */
const BESIDE = 0xffff_f000;
const [ETHERTYPE, DIRECTION, LINK_TYPE] = [BESIDE, BESIDE + 4, BESIDE + 28];
/** PACKET_OUTGOING, ARPHRD_LOOPBACK. */
const [OUTGOING, LOOPBACK] = [4, 772];

const ETHERTYPES = { ip: 0x0800, ip6: 0x86dd, arp: 0x0806, rarp: 0x8035 } as const;
const NUMBERS: Readonly<Record<Transport | "sctp", number>> = { icmp: 1, tcp: 6, udp: 17, icmp6: 58, sctp: 132 };
/** Next header of an IPv6 packet that is a fragment. */
const FRAGMENT = 44;

/** Where a header has its protocol and the first byte of its addresses. */
const IPV4 = { protocol: 9, fragment: 6, source: 12, destination: 16 } as const;
const IPV6 = { protocol: 6, source: 8, destination: 24, length: 40 } as const;
const ARP = { source: 14, destination: 24 } as const;

/** Longest packet that classic BPF may return. */
const WHOLE = 0x0004_0000;

/**
 * Compiles a filter, in part of tcpdump's language, to a classic BPF program for packets that begin with their network header.
 * Each packet of a loopback interface passes once, as it is received, not as it is sent. Throws FilterError.
 */
export function compileFilter(text: string): Uint8Array {
  const filter = parseFilter(text);
  const program = new Assembler();
  const fails: Label = { at: undefined };
  unless(program, fails, (next) => {
    program.add("loadWord", LINK_TYPE);
    program.unless("jumpEqual", LOOPBACK, next);
    program.add("loadWord", DIRECTION);
    program.unless("jumpEqual", OUTGOING, next);
  });
  if (filter !== undefined) add(program, filter, fails);
  program.add("return", WHOLE);
  program.mark(fails);
  program.add("return", 0);
  const bytes = program.bytes();
  if (bytes === undefined) throw new FilterError("filter: it has too many parts; filter in two steps");
  return bytes;
}

/** Adds a filter: continues behind it if a packet passes, otherwise jumps to `fails`. */
function add(program: Assembler, filter: Filter, fails: Label): void {
  switch (filter.kind) {
    case "and":
      add(program, filter.left, fails);
      add(program, filter.right, fails);
      break;
    case "or":
      either(program, fails, [(next) => add(program, filter.left, next), (next) => add(program, filter.right, next)]);
      break;
    case "not":
      unless(program, fails, (next) => add(program, filter.of, next));
      break;
    case "link":
      link(program, ETHERTYPES[filter.protocol], fails);
      break;
    case "transport":
      transport(program, filter.protocol, fails);
      break;
    case "net":
      net(program, filter, fails);
      break;
    case "ports":
      ports(program, filter, fails);
  }
}

/** Continues if the condition does not pass. */
function unless(program: Assembler, fails: Label, condition: (next: Label) => void): void {
  const passes: Label = { at: undefined };
  condition(passes);
  program.jump(fails);
  program.mark(passes);
}

/** Continues behind the first alternative that passes. */
function either(program: Assembler, fails: Label, alternatives: readonly ((next: Label) => void)[]): void {
  const passes: Label = { at: undefined };
  for (const [index, alternative] of alternatives.entries()) {
    const isLast = index === alternatives.length - 1;
    const next: Label = isLast ? fails : { at: undefined };
    alternative(next);
    if (isLast) break;
    program.jump(passes);
    program.mark(next);
  }
  program.mark(passes);
}

function link(program: Assembler, type: number, fails: Label): void {
  program.add("loadHalf", ETHERTYPE);
  program.unless("jumpEqual", type, fails);
}

/** Like tcpdump: the protocol of IPv6 is the first next header, or that of a fragment. */
function transport(program: Assembler, protocol: Transport, fails: Label): void {
  const number = NUMBERS[protocol];
  const byte = (offset: number, value: number, otherwise: Label) => {
    program.add("loadByte", offset);
    program.unless("jumpEqual", value, otherwise);
  };
  const inIp = (next: Label) => {
    link(program, ETHERTYPES.ip, next);
    byte(IPV4.protocol, number, next);
  };
  const inIp6 = (next: Label) => {
    link(program, ETHERTYPES.ip6, next);
    either(program, next, [
      (other) => byte(IPV6.protocol, number, other),
      (other) => {
        byte(IPV6.protocol, FRAGMENT, other);
        byte(IPV6.length, number, other);
      },
    ]);
  };
  if (protocol === "icmp") inIp(fails);
  else if (protocol === "icmp6") inIp6(fails);
  else either(program, fails, [inIp, inIp6]);
}

function net(program: Assembler, { direction, address, bits }: Filter & { kind: "net" }, fails: Label): void {
  const at = (offset: number) => (next: Label) => prefix(program, offset, address, bits, next);
  const inHeader =
    (type: number, { source, destination }: typeof ARP | typeof IPV4 | typeof IPV6) =>
    (next: Label) => {
      link(program, type, next);
      if (direction === undefined) either(program, next, [at(source), at(destination)]);
      else at(direction === "src" ? source : destination)(next);
    };
  const inIp = [inHeader(ETHERTYPES.ip, IPV4), inHeader(ETHERTYPES.arp, ARP), inHeader(ETHERTYPES.rarp, ARP)];
  either(program, fails, address.length === 16 ? [inHeader(ETHERTYPES.ip6, IPV6)] : inIp);
}

/** Passes if the address at `offset` begins with the same bits. */
function prefix(program: Assembler, offset: number, address: Uint8Array, bits: number, fails: Label): void {
  const words = new DataView(address.buffer, address.byteOffset, address.length);
  for (let at = 0; at * 8 < bits; at += 4) {
    program.add("loadWord", offset + at);
    const left = bits - at * 8;
    if (left < 32) program.add("and", (0xffff_ffff << (32 - left)) >>> 0);
    program.unless("jumpEqual", words.getUint32(at), fails);
  }
}

/** Like tcpdump: IPv4 without later fragments, which have no ports; IPv6 without extension headers. */
function ports(program: Assembler, { transport: only, direction, first, last }: PortFilter, fails: Label): void {
  const protocols = only === undefined ? [NUMBERS.tcp, NUMBERS.udp, NUMBERS.sctp] : [NUMBERS[only]];
  const oneOf = (offset: number, next: Label) => {
    const alternatives = protocols.map((number) => (other: Label) => {
      program.add("loadByte", offset);
      program.unless("jumpEqual", number, other);
    });
    either(program, next, alternatives);
  };
  const within = (load: "loadHalf" | "loadHalfIndexed", offset: number) => (next: Label) => {
    program.add(load, offset);
    program.unless("jumpGreaterOrEqual", first, next);
    unless(program, next, (other) => program.unless("jumpGreater", last, other));
  };
  const sides = (load: "loadHalf" | "loadHalfIndexed", offset: number, next: Label) => {
    const [source, destination] = [within(load, offset), within(load, offset + 2)];
    const both = direction === undefined ? [source, destination] : [direction === "src" ? source : destination];
    either(program, next, both);
  };
  either(program, fails, [
    (next) => {
      link(program, ETHERTYPES.ip, next);
      oneOf(IPV4.protocol, next);
      program.add("loadHalf", IPV4.fragment);
      unless(program, next, (other) => program.unless("jumpIfAny", 0x1fff, other));
      program.add("indexHeaderLength", 0);
      sides("loadHalfIndexed", 0, next);
    },
    (next) => {
      link(program, ETHERTYPES.ip6, next);
      oneOf(IPV6.protocol, next);
      sides("loadHalf", IPV6.length, next);
    },
  ]);
}
