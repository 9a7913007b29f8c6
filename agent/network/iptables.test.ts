import { expect, test } from "vitest";
import { getIptables, setIptables } from "./iptables.ts";
import { testNetwork } from "./testing/test-network.ts";

const signal = new AbortController().signal;

test("reads and sets tables with the program of their IP family, from /usr/sbin if it is there", async () => {
  const network = testNetwork({ files: { "/usr/sbin/iptables-save": "", "/sbin/ip6tables-restore": "" } });
  await getIptables(network, "v4", signal);
  await getIptables(network, "v6", signal);
  await setIptables(network, "v4", Buffer.from("*nat\nCOMMIT\n"), signal);
  await setIptables(network, "v6", Buffer.from("*nat\nCOMMIT\n"), signal);
  expect(network.runs.map((run) => run.join(" "))).toEqual([
    "/usr/sbin/iptables-save",
    "/usr/sbin/ip6tables-save",
    "/usr/sbin/iptables-restore --wait 5",
    "/sbin/ip6tables-restore --wait 5",
  ]);
});

test.each([
  "-A INPUT -M /bin/sh",
  "-M/x",
  "--modprobe /x",
  "--modprobe=/x",
  "--mo /x",
  "--modp=/x",
  '-"M" /x',
  '--mod"probe" /x',
  '"--mod\\p\\robe=/x"',
  '--comment "see" -M /x',
  "-fM /x",
  "-4f6M/x",
  "[0:0]-M/x",
  "[0:0]-M /x",
  "[0:0]--modprobe=/x",
  '[1 "2:3]--mo /x',
  "[]-M/x",
])("refuses a line that names a program to run: %j", async (line) => {
  const network = testNetwork();
  const text = Buffer.from(`*filter\n-A INPUT -m mark --mark 1 -j MARK\n${line}\nCOMMIT\n`);
  await expect(setIptables(network, "v4", text, signal)).rejects.toThrow(
    "line 3: the option --modprobe is not allowed",
  );
  expect(network.runs).toEqual([]);
});

test.each([
  "-A INPUT -m statistic --mode random --probability 0.5 -j DROP",
  '-A INPUT -m comment --comment "see -M and --modprobe" -j DROP',
  '-A INPUT -m comment --comment "a \\" -M" -j DROP',
  "[0:0] -A INPUT -j DROP",
  '[0:0]-A INPUT -m comment --comment "[0:0]-M" -j DROP',
  "-A MINE -jMARK -iM0 --mode=random --modular --m",
])("accepts a line that only looks like it: %j", async (line) => {
  const network = testNetwork({ files: { "/sbin/iptables-restore": "" } });
  await setIptables(network, "v4", Buffer.from(`*filter\n${line}\nCOMMIT\n`), signal);
  expect(network.runs).toHaveLength(1);
});

test("refuses a line that iptables-restore would split in two", async () => {
  const network = testNetwork();
  const text = Buffer.from(`*filter\n#${"x".repeat(10_238)}-A INPUT -M /x\nCOMMIT\n`);
  await expect(setIptables(network, "v4", text, signal)).rejects.toThrow("line 2: longer than 10000 bytes");
  expect(network.runs).toEqual([]);
});
