import { expect, test } from "vitest";
import { parseSockets } from "./listening-ports.ts";

const HEADER = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";

test("returns the listening TCP sockets of either family, and no connection", () => {
  const tcp = `${HEADER}   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  0 0 1\n   1: 0100007F:1F90 0100007F:C000 01 00000000:00000000 00:00000000 00000000  0 0 2\n`;
  expect(parseSockets("tcp", tcp)).toEqual({
    ports: [{ protocol: "tcp", address: "127.0.0.1", port: 8080 }],
    isLastListening: false,
  });
  const line = (address: string) => `   0: ${address}:0050 00000000000000000000000000000000:0000 0A 0:0\n`;
  const lines = [
    "00000000000000000000000000000000",
    "00000000000000000000000001000000",
    "000000FD000000000000000002000000",
  ];
  const { ports, isLastListening } = parseSockets("tcp6", HEADER + lines.map(line).join(""));
  expect(ports.map(({ address }) => address)).toEqual(["::", "::1", "fd00:0:0:0:0:0:0:2"]);
  expect(isLastListening).toBe(true);
});

test("returns unconnected UDP sockets, and nothing of other text", () => {
  const udp = "  12: 00000000:0035 00000000:0000 07 00000000:00000000 00:00000000 00000000 0 0 1 2 x 0\n";
  expect(parseSockets("udp", udp).ports).toEqual([{ protocol: "udp", address: "0.0.0.0", port: 53 }]);
  expect(parseSockets("tcp", "   0: 0100007F:1F90 0000").ports).toEqual([]);
});
